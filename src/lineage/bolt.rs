//! Reads a bbolt database while the program that owns it holds it locked.
//!
//! containerd stores its records in bbolt files (`meta.db`, `metadata.db`) and holds an exclusive
//! `flock` on these files as long as containerd runs. Every library that opens one of these files
//! would wait for ever. This reader takes no lock. The reader reads single pages with `pread`, and
//! the format shows whether the pages belong together. While bbolt prepares version N+1, it never
//! writes into a page of the newest committed version N (copy on write; pages freed by N+1 are
//! reused by N+2 at the earliest; bbolt db.go `freePages`, freelist `release`). So if the newest
//! valid meta page is the same before and after, everything in between was read from one version.
//! Only then is a result used, even the result "not there" or "damaged".
//!
//! In: a file, or bytes in memory, in bbolt's format version 2 (bbolt
//! internal/common/{meta,page,bucket}.go; the same since boltdb 1.0). The file may be damaged in
//! any way that a power cut or a broken disk can cause. So every number is checked before it is
//! used, and depth and number of pages are limited for each read transaction, called a *look* here.
//! Not checked: checksums of pages; the format has checksums only for its two meta pages.

mod pages;
mod node;
mod meta;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::atomic::{Ordering, fence};

use meta::{Meta, newest_meta};
pub use node::BoltValue;
use node::{PageNode, u32_at, u64_at};
pub use pages::{BoltError, DatabaseFile, Pages};

use crate::sys::deadline::Deadline;

/// How deep a tree may be. At this depth, 4 KiB pages with only two keys each would hold 2³² keys;
/// real trees are less than five levels deep.
const MAX_DEPTH: usize = 32;
/// The largest node, in bytes. A node is longer than a page only if one of its values is longer
/// than a page.
const MAX_NODE: u64 = 16 << 20;
/// How many nodes one look may visit. The database of a machine with a thousand images has about
/// ten thousand nodes.
const MAX_VISITS: usize = 1 << 20;
/// How many nodes are held in memory until the look ends. This number is enough for the nodes on
/// the way to a few records; a walk over all nodes reads the other nodes only once anyway.
const MAX_KEPT: usize = 256;

/// A database that may change at any time.
#[derive(Debug)]
pub struct Database<P> {
    pages: P,
}

/// One look at the database, which reads a single version. Pages that have been read stay in
/// memory. If the version changes meanwhile, the result of the whole look is discarded.
pub struct View<'a> {
    pages: &'a dyn Pages,
    meta: Meta,
    deadline: &'a Deadline,
    seen: RefCell<BTreeMap<u64, Rc<PageNode>>>,
    visits: RefCell<usize>,
}

/// A bucket: a sorted map from keys to values and to more buckets.
pub struct Bucket<'a> {
    view: &'a View<'a>,
    root: Rc<PageNode>,
}

impl<P: Pages> Database<P> {
    /// A database in `pages`. Nothing is read yet.
    pub const fn new(pages: P) -> Self {
        Self { pages }
    }

    /// The result of `look` in one committed version. `look` is called again whenever the database
    /// has changed meanwhile, so `look` must have no effects.
    ///
    /// # Errors
    /// The errors of `look` if the database did not change meanwhile; [`BoltError::Deadline`] if
    /// the database changed during every look until `deadline`.
    pub fn view<T>(
        &self,
        deadline: &Deadline,
        look: impl Fn(&View<'_>) -> Result<T, BoltError>,
    ) -> Result<T, BoltError> {
        loop {
            let before = newest_meta(&self.pages);
            let found = match &before {
                Ok(meta) => look(&View::new(&self.pages, *meta, deadline)),
                Err(_) => Err(BoltError::Foreign),
            };
            // Ensures that, on every processor, the pages are read before the meta page is read
            // again.
            fence(Ordering::SeqCst);
            match (before, newest_meta(&self.pages)) {
                (Ok(before), Ok(after)) if before == after => return found,
                (Err(_), Err(error)) => return Err(error),
                (Ok(_) | Err(_), _) if deadline.is_over() => return Err(BoltError::Deadline),
                (Ok(_) | Err(_), _) => std::thread::yield_now(),
            }
        }
    }
}

impl<'a> View<'a> {
    fn new(pages: &'a dyn Pages, meta: Meta, deadline: &'a Deadline) -> Self {
        Self {
            pages,
            meta,
            deadline,
            seen: RefCell::default(),
            visits: RefCell::default(),
        }
    }

    /// The bucket at `path`, starting at the root bucket. `None` when a step of the path is missing
    /// or is a value.
    ///
    /// # Errors
    /// [`BoltError`] for the pages on the way.
    pub fn bucket(&'a self, path: &[&[u8]]) -> Result<Option<Bucket<'a>>, BoltError> {
        Bucket {
            view: self,
            root: self.node(self.meta.root)?,
        }
        .descend(path)
    }

    /// The node at page `id`. A node that is already in memory is not read again.
    fn node(&self, id: u64) -> Result<Rc<PageNode>, BoltError> {
        let visits = self.visits.replace_with(|visits| *visits + 1);
        if visits > MAX_VISITS || self.deadline.is_over() {
            return Err(BoltError::Deadline);
        }
        if let Some(node) = self.seen.borrow().get(&id) {
            return Ok(Rc::clone(node));
        }
        let node = Rc::new(self.read(id)?);
        let mut seen = self.seen.borrow_mut();
        if seen.len() < MAX_KEPT {
            seen.insert(id, Rc::clone(&node));
        }
        Ok(node)
    }

    fn read(&self, id: u64) -> Result<PageNode, BoltError> {
        let page_size = u64::from(self.meta.page_size);
        if id < 2 || id >= self.meta.page_count {
            return Err(BoltError::Damaged(id, "no such page"));
        }
        let offset = id
            .checked_mul(page_size)
            .ok_or(BoltError::Damaged(id, "no such page"))?;
        let mut bytes = vec![0; self.meta.page_size as usize];
        self.fill(id, &mut bytes, offset)?;
        let overflow = u64::from(u32_at(&bytes, 12).unwrap_or(0));
        let length = (overflow + 1) * page_size;
        if length > MAX_NODE || overflow >= self.meta.page_count - id {
            return Err(BoltError::Damaged(id, "too long"));
        }
        if overflow > 0 {
            bytes.resize(usize::try_from(length).unwrap_or(0), 0);
            self.fill(
                id,
                &mut bytes[self.meta.page_size as usize..],
                offset + page_size,
            )?;
        }
        if u64_at(&bytes, 0) != Some(id) {
            return Err(BoltError::Damaged(id, "has another page's number"));
        }
        PageNode::parse(id, bytes)
    }

    fn fill(&self, id: u64, bytes: &mut [u8], offset: u64) -> Result<(), BoltError> {
        match self.pages.fill(bytes, offset) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Err(BoltError::Damaged(id, "is past the end of the file"))
            }
            filled => filled.map_err(BoltError::Io),
        }
    }
}

impl<'a> Bucket<'a> {
    /// The value of `key`; `None` when there is no such key, or when the key names a bucket.
    ///
    /// # Errors
    /// [`BoltError`] for the pages on the way.
    pub fn get(&self, key: &[u8]) -> Result<Option<BoltValue>, BoltError> {
        match self.find(key)? {
            Some((false, value)) => Ok(Some(value)),
            Some((true, _)) | None => Ok(None),
        }
    }

    /// The value of `key` as text. Bytes of the value that are not UTF-8 are replaced, and a text
    /// with such replacements names nothing.
    ///
    /// # Errors
    /// The errors of [`Bucket::get`].
    pub fn text(&self, key: &[u8]) -> Result<Option<String>, BoltError> {
        match self.get(key)? {
            Some(value) => Ok(Some(String::from_utf8_lossy(&value).into_owned())),
            None => Ok(None),
        }
    }

    /// The error for something that must be in this bucket and is missing. The error names the page
    /// where the bucket begins.
    #[must_use]
    pub fn fault(&self, what: &'static str) -> BoltError {
        BoltError::Damaged(self.root.id, what)
    }

    /// The bucket at `path`, starting at this bucket. `None` when a step of the path is missing or
    /// is a value.
    ///
    /// # Errors
    /// [`BoltError`] for the pages on the way.
    pub fn descend(self, path: &[&[u8]]) -> Result<Option<Self>, BoltError> {
        let mut bucket = self;
        for step in path {
            let Some((true, value)) = bucket.find(step)? else {
                return Ok(None);
            };
            bucket = Self::open(bucket.view, &value)?;
        }
        Ok(Some(bucket))
    }

    /// The bucket named `key` in this bucket.
    ///
    /// # Errors
    /// [`BoltError`] for the pages on the way.
    pub fn bucket(&self, key: &[u8]) -> Result<Option<Self>, BoltError> {
        Bucket {
            view: self.view,
            root: Rc::clone(&self.root),
        }
        .descend(&[key])
    }

    /// Calls `visit` for every key, in order, until `visit` breaks. If the key names a bucket,
    /// `visit` gets the bucket as well.
    ///
    /// # Errors
    /// [`BoltError`] for the pages of this bucket, and the errors of `visit`.
    pub fn walk<B>(
        &self,
        mut visit: impl FnMut(&[u8], Option<Bucket<'a>>) -> Result<ControlFlow<B>, BoltError>,
    ) -> Result<Option<B>, BoltError> {
        let mut path = vec![(Rc::clone(&self.root), 0..self.root.count)];
        while let Some((node, left)) = path.last_mut() {
            let node = Rc::clone(node);
            let Some(index) = left.next() else {
                path.pop();
                continue;
            };
            if !node.is_leaf {
                let child = self.view.node(node.child(index)?)?;
                let left = 0..child.count;
                path.push((child, left));
                if path.len() > MAX_DEPTH {
                    return Err(BoltError::Damaged(node.id, "is too deep"));
                }
                continue;
            }
            let (is_bucket, value) = node.value(index)?;
            let below = if is_bucket {
                Some(Self::open(self.view, &value)?)
            } else {
                None
            };
            if let ControlFlow::Break(found) = visit(node.key(index)?, below)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Finds `key`. Returns whether the key names a bucket, and the bytes of the key's value.
    /// `None` when there is no such key.
    fn find(&self, key: &[u8]) -> Result<Option<(bool, BoltValue)>, BoltError> {
        let mut node = Rc::clone(&self.root);
        for _ in 0..MAX_DEPTH {
            let rank = node.rank(key)?;
            let is_here = rank < node.count && node.key(rank)? == key;
            if node.is_leaf {
                return if is_here {
                    node.value(rank).map(Some)
                } else {
                    Ok(None)
                };
            }
            // The key of a branch is the lowest key of its child.
            let child = if is_here {
                rank
            } else {
                rank.saturating_sub(1)
            };
            node = self.view.node(node.child(child)?)?;
        }
        Err(BoltError::Damaged(node.id, "is too deep"))
    }

    /// Opens the bucket in a value, which holds the root page and a sequence number. If the root
    /// page is 0, the only node of the bucket follows in the value itself.
    fn open(view: &'a View<'a>, value: &BoltValue) -> Result<Self, BoltError> {
        let root = match u64_at(value, 0) {
            Some(0) => Rc::new(PageNode::parse(
                value.page(),
                value.get(16..).unwrap_or_default().to_vec(),
            )?),
            Some(id) => view.node(id)?,
            None => return Err(BoltError::Damaged(value.page(), "holds a bucket cut short")),
        };
        Ok(Self { view, root })
    }
}

#[cfg(test)]
mod tests;
