//! Aligns the columns of a table for people.
//!
//! In: cells, parts of which may be hostile. Out: lines of text, with every cell escaped.

use super::line;

/// Lines with aligned columns, two spaces apart. The last column is not padded.
#[must_use]
pub fn table<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let mut widths = [0; N];
    let rows: Vec<_> = rows
        .iter()
        .map(|row| row.each_ref().map(String::as_str).map(line::one_line))
        .collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut lines = Vec::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line += &format!("{cell:<width$}  ");
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}
