//! Does the real `embargo` do between a caller and a runtime what `reference/callers-and-wrappers.md` §7 asks for?
//!
//! Hermetic: no network, no root, no engine. The runtime is a small C program that records what it is given.
//!
//! | point | what | test |
//! |---|---|---|
//! | 1 | a container called `create` | `parsing::a_container_may_be_called_create_run_or_restore` |
//! | 2 | a flag's value `create` | `parsing::a_flags_value_may_be_a_command_word` |
//! | 3 | forms of `--bundle` | `parsing::every_form_of_the_bundle_flag_is_read` |
//! | 4, 5 | bundle behind the ID, twice, last; `-no-subreaper` | `parsing::the_last_bundle_counts_wherever_it_stands` |
//! | 6, 7, 10, 14 | global flags as engines write them | `parsing::global_flags_are_read_as_every_engine_writes_them` |
//! | 8 | `--` | `parsing::two_dashes_end_the_flags` |
//! | 9 | values that begin with a dash | `parsing::a_value_may_begin_with_a_dash` |
//! | 11 | crun's `--config` | `parsing::cruns_other_spec_file_is_the_one_that_is_read` |
//! | 12 | no bundle, empty bundle, relative bundle | `parsing::without_a_bundle_it_is_the_working_directory` |
//! | 13 | help, version, unknown commands | `parsing::help_versions_and_unknown_commands_are_the_runtimes_to_answer` |
//! | 15 | words of any bytes; argv of 0 and 1 elements | `parsing::words_of_any_bytes_and_any_length_pass`, `parsing::an_argv_of_one_element_or_another_name_passes`, `parsing::an_argv_of_no_element_passes` |
//! | 16 | runc's next grammar | `parsing::the_next_runcs_grammar_is_read` |
//! | 17 | `run`, `restore`; `checkpoint`, `exec` | `parsing::run_and_restore_are_gated_as_create_is_and_nothing_else` |
//! | 18 | same process, argv[0] | `transparency::the_runtime_is_the_same_process_and_its_argv_begins_with_its_own_path` |
//! | 19 | exit status, signals, PDEATHSIG | `transparency::exit_status_and_death_by_signal_are_the_runtimes`, `transparency::a_signal_sent_right_after_the_start_ends_the_call`, `transparency::the_signal_for_a_dead_parent_is_kept` |
//! | 20 | streams, descriptors, LISTEN_FDS | `transparency::standard_streams_are_untouched`, `transparency::closed_descriptors_stay_closed`, `transparency::preserved_descriptors_and_the_variables_about_them_pass` |
//! | 21 | SIGPIPE, signal mask | `transparency::the_disposition_of_sigpipe_is_the_callers`, `transparency::blocked_signals_stay_blocked` (in the payload: `integration/`) |
//! | 22 | umask, limits, priority, session, environment | `transparency::umask_limits_priority_session_and_environment_are_the_callers` |
//! | 23 | silence on a pass | `transparency::nothing_is_said_when_a_call_passes` |
//! | 24 | the bundle is only read | `transparency::a_bundle_is_only_read` |
//! | 25 | latency | `integration/bench` |
//! | 26 | no environment | `transparency::a_call_works_without_any_environment` |
//! | 27 | working directory gone | `transparency::a_call_works_in_a_folder_that_is_gone` |
//! | 28 | a caller without rights | every test here; `refusal::a_caller_who_may_read_nothing_is_refused_and_told` (in a user namespace: `integration/`) |
//! | 29 | read-only, full, missing | `refusal::an_unwritable_node_admits_as_before`, `refusal::a_log_that_cannot_be_written_changes_nothing_else` |
//! | 30 | nothing stops kill and delete | `transparency::calls_that_start_nothing_pass_whatever_is_wrong_with_the_node` |
//! | 31–34 | what people see of it | `integration/` |
//! | 35 | the log: old lines, missing, folder missing, text, crun's targets | `refusal::the_log_gets_one_record_after_what_was_there`, `refusal::a_log_without_a_format_is_text`, `refusal::a_log_that_cannot_be_written_changes_nothing_else`, `refusal::cruns_log_targets_are_no_files` |
//! | 36 | concurrent writers | `refusal::records_of_concurrent_refusals_do_not_mix` |
//! | 37 | hostile text | `refusal::hostile_names_stay_on_one_line_of_valid_json` |
//! | 38 | misleading phrases | `refusal::no_line_reads_like_another_failure` |
//! | 39 | never exit 0, never a signal | `refusal::a_refusal_nobody_reads_is_still_a_refusal` |
//! | 40 | `delete` of what was never created | `refusal::the_engines_cleaning_up_reaches_the_runtime` |
//! | 41 | nothing left behind | `refusal::a_refusal_leaves_nothing_but_its_record` (the shim: `integration/`) |
//! | 42 | Embargo as its own runtime | `runtime::embargo_is_never_its_own_runtime`, `runtime::embargo_is_passed_over_when_a_runtime_is_looked_up`, `runtime::a_copy_of_embargo_or_a_script_that_calls_it_is_no_endless_loop` |
//! | 43 | a runtime that cannot run | `runtime::what_is_wrong_with_the_runtime_is_said`, `runtime::a_script_is_a_runtime_like_any_other` |
//! | 44 | replaced runtime, replaced Embargo | `runtime::a_runtime_replaced_between_two_calls_is_the_new_one`, `runtime::embargo_replaced_while_containers_run_serves_the_next_call` |
//! | 45 | runtime changed under live containers | `runtime::a_container_made_by_the_other_runtime_is_handed_to_it` (with real containers: `integration/`) |
//! | 46 | Embargo removed while containers run | not here: it is a matter of the package, which keeps the program |

// The lints are for the gate; a test runs programs, writes files and fails loudly.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic)]

mod parsing;
mod refusal;
mod room;
mod runtime;
mod transparency;
