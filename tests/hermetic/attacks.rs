//! Tests that no attack on the list succeeds.
//!
//! Each attack or fault has a module of its own; the tests in it are named after the variants that
//! they try. The tests run the real programs: `embargoctl` builds and installs lists on a node in a
//! directory, and `embargo create` is called in front of the fake runtime. Each test looks at the
//! verdict of the gate: banned (and by which list), admitted, or refused because there is no list.
//! Five modules of tests are not in the table below. `corruption` flips every bit of a list, and
//! also writes into a list's file while the file is being read. `concurrency` installs several
//! lists at once while containers start. `rotation_behind` has a node that was away while the
//! keyset changed. `shared_directory` puts a list and a floor in a directory that other users may
//! write to. `existing` passes a new container off as one that existed before its ban.
//!
//! | # | attack or fault | what holds | tests |
//! |---|---|---|---|
//! | 1 | forged list | enough distinct trusted keys over the head | `wrong_key`, `no_sig`, `one_of_two`, `stolen_signature`, `root_key` |
//! | 2 | one key twice | keys are counted by the public key | `dup_sig`, `dup_keyid`, `dup_key_material` |
//! | 3 | bad signature beside enough good ones | skipped and counted | `invalid_sig_in_valid_head` |
//! | 4 | signature made for another purpose | context line, origin, SSH namespace | `cross_protocol_sshsig_ns`, `…_note`, `…_dsse`, `…_minisign` |
//! | 5 | rollback | (keyset, version) never below the floor, in either copy | `older_head`, `older_keyset`, `older_list_for_a_newer_one`, … |
//! | 6 | same version, other bytes | the floor has the head's digest | `equivocation` |
//! | 7 | fast-forward | a cap on one jump, versions start again with a keyset | `jump_cap`, `ff_then_rotate_recovers` |
//! | 8 | freeze | the age is reported, the list enforced | `plus_13_d_15_d_60_d` |
//! | 9 | clock at 1970, 2038, 2099 | signed times are a floor of time | `clock_matrix`, `no_list_takes_the_time_floor_away` |
//! | 10 | endless data, slow loris, redirects | limits of the fetcher | with the fetcher: no program here has a network |
//! | 11 | head of one list, tree of another list | the head holds the root's hash | `swapped_trees`, `swapped_records` |
//! | 12 | lying mirror | the highest valid version of several | with the fetcher |
//! | 13 | staging's list on production | the origin | `other_origin` |
//! | 14 | stolen list key | lifting and running a patch take more signatures; rotation | `lift_needs_two`, `a_patch_that_one_key_signed_…`, `rotate`, … |
//! | 15 | fewer stolen root keys than it takes | thresholds of the old keyset and of the new | `rotation_cases` |
//! | 16 | bit flip anywhere | each piece is hashed before it is read | `flip_through_the_gate`; each bit: `corruption` |
//! | 17 | truncation, torn write, CRLF | the head says the size | `cut_at_every_kib`, `torn_write`; writers: `corruption` |
//! | 18 | prefix collision at a leaf's edge | fences of 32 bytes | `keys_sharing_31_bytes_around_a_boundary` |
//! | 19 | grinding digests into one bucket | a packed tree | `a_million_keys_with_equal_24_bit_prefix` |
//! | 20 | unsorted tree, wrong counts or times, invalid keys, signed by mistake | the whole list is checked at installation; the gate checks what it reads | `malformed_builder_outputs`, … |
//! | 21 | crash during installation | the order of the steps | `integration/crash.bats` |
//! | 22 | `fsync` fails | nothing changes | `integration/crash.bats` |
//! | 23 | link, FIFO, directory, socket, device in place of a file | opened without following links or waiting | `each_kind_as_…` |
//! | 24 | parser abuse | strict grammars, caps | `heads`, `seventeen_signatures`, …; random bytes: `tests/fuzz` |
//! | 25 | false mass ban | running containers are examined before an installation | `mass_ban`, `one_key_acknowledges_nothing`; pods: `integration/impact.bats` |
//! | 26 | restored snapshot | `min_version` | `restored_directory_with_min_version_set` |
//! | 27 | newer runtime-spec | only the needed fields are read | `unknown_cap_ns_seccomp_rlimit_top_level` |
//! | 28 | registry token on a redirect | none is sent | with the fetcher |
//! | 29 | wrong delta | the rebuilt root is the signed one | with the fetcher |
//! | 30 | key ID collision | an ID is only a hint | `two_keys_same_id` |
//! | 31 | costly list | limits for each digest at build and installation, for each start in the gate | `bans_that_say_too_much`, `…_signed_all_the_same` |

pub(crate) mod clock;
mod concurrency;
mod corruption;
mod craft;
mod existing;
pub(crate) mod node;
mod rotation_behind;
mod row_01_forged_list;
mod row_02_one_key_counts_once;
mod row_03_bad_signature_beside_good_ones;
mod row_04_cross_protocol;
mod row_05_rollback;
mod row_06_equivocation;
mod row_07_fast_forward;
mod row_08_freeze;
mod row_09_clock;
mod row_11_mix_and_match;
mod row_13_wrong_list;
mod row_14_list_key_compromise;
mod row_15_root_key_compromise;
mod row_16_bit_flip;
mod row_17_torn_write;
mod row_18_prefix_collision;
mod row_19_grinding;
mod row_20_signed_by_mistake;
mod row_23_staging;
mod row_24_parser_abuse;
mod row_25_false_mass_ban;
mod row_26_snapshot_restore;
mod row_27_newer_runtime_spec;
mod row_30_key_id_collision;
mod row_31_costly_list;
mod shared_directory;
pub(crate) mod signer;
mod ssh;
