//! Collectors over what lies in files and objects.
//!
//! One engine reads a thing that grows (`growing`): from a mark on, record by record, on condition that the
//! bytes before the mark are still the same. On top of it are
//! - [`Files`]: files and folders of this machine that grow, are rotated, and are compressed;
//! - [`Objects`]: what lies below a prefix of an object store, appended to or replaced.

mod background;
mod bucket;
mod check;
mod files;
mod growing;
mod kept;
mod listing;
mod objects;
mod sweep;

pub(crate) use bucket::Place;
pub use check::check_objects;
pub(crate) use check::{BLOBS_READ, Rights, check_places};
pub use files::{Files, FilesConfig};
pub use objects::{Objects, ObjectsConfig};
pub use sweep::{Sweep, SweepProgress};
