//! The Delta log of the table: reading it, and writing one entry at a time.
//!
//! An entry is written by one conditional put of `_delta_log/<version>.json`, and *every* error of that
//! put leaves open whether it was written (a lost reply, a retry inside the client that met its own
//! object, a conflict reported where nothing was stored). So each entry carries a random id in its
//! `commitInfo`, and [`commit`](super::commit) reads the log back before it decides.
//!
//! This bypasses delta-rs's `CommitBuilder` on purpose: it lists the log and rebuilds its state around
//! each commit, and its conflict check lets two compactions of the same files pass.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::Utc;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::transaction::{CommitData, PROTOCOL};
use deltalake_core::kernel::{Action, Metadata, MetadataExt, StructField, StructType, Transaction};
use deltalake_core::logstore::{
    CommitOrBytes, LogStoreRef, ObjectStoreRef, StorageConfig, commit_uri_from_version, default_logstore,
};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode, checkpoints};
use deltalake_core::{DeltaTable, DeltaTableError};
use event::{Offset, stored_schema};
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use url::Url;
use uuid::Uuid;

use super::config::TableConfig;
use super::data_file::{DataFile, STATS_COLUMNS};
use super::partition::Partition;
use crate::{Error, Result};

/// The application transaction that holds the next log offset.
const APP_ID: &str = "stormglass";
/// The table property that holds how many rows of each source have expired, as JSON.
const EXPIRED: &str = "stormglass.expired";

/// The table as the log has it at one version.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) version: u64,
    pub(crate) committed: Offset,
    pub(crate) files: Vec<Arc<DataFile>>,
    pub(crate) metadata: Metadata,
}

/// What a new entry does.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) add: Vec<Arc<DataFile>>,
    pub(crate) remove: Vec<Arc<DataFile>>,
    /// Whether the rows of the table change; `false` for compaction.
    pub(crate) data_change: bool,
    /// The next log offset, in every entry of ours: an entry that holds it fences all other writers.
    pub(crate) offset: Offset,
    pub(crate) metadata: Option<Metadata>,
}

impl Change {
    pub(crate) fn none(offset: Offset) -> Self {
        Self { add: Vec::new(), remove: Vec::new(), data_change: true, offset, metadata: None }
    }
}

/// A [`Change`] as it is written, with the id by which it is found again.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: Uuid,
    bytes: bytes::Bytes,
}

/// What an entry that somebody has written is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// The entry with the id asked for.
    Asked,
    /// Another one of this process.
    Ours,
    /// One of another Stormglass.
    Rival,
    /// One of another engine.
    Foreign,
}

/// The log of one table.
pub(crate) struct DeltaLog {
    log_store: LogStoreRef,
    /// The table's files, paths from its root.
    store: ObjectStoreRef,
    /// This process, in every entry that it writes.
    writer: Uuid,
}

impl std::fmt::Debug for DeltaLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeltaLog").field("url", self.log_store.root_url()).finish_non_exhaustive()
    }
}

impl DeltaLog {
    /// The log of the table at `url`, in `root`, a store of everything under the URL's host.
    pub(crate) fn new(root: ObjectStoreRef, url: &Url) -> Result<Self> {
        let prefix = Path::from_url_path(url.path()).map_err(|error| Error::TableLocation {
            location: url.to_string(),
            problem: error.to_string(),
        })?;
        let store: ObjectStoreRef = Arc::new(PrefixStore::new(root.clone(), prefix));
        let log_store = default_logstore(store.clone(), root, url, &StorageConfig::default());
        Ok(Self { log_store, store, writer: Uuid::new_v4() })
    }

    /// The table's files, paths from its root.
    pub(crate) fn store(&self) -> &ObjectStoreRef {
        &self.store
    }

    /// Where the table lies.
    pub(crate) fn url(&self) -> &Url {
        self.log_store.root_url()
    }

    /// Reads the newest version; `None` if there is no table.
    pub(crate) async fn load(&self) -> Result<Option<Loaded>> {
        if !self.log_store.is_delta_table_location().await? {
            return Ok(None);
        }
        let mut table = DeltaTable::new(self.log_store.clone());
        table.load().await?;
        let state = table.snapshot()?;
        PROTOCOL.can_write_to(state).map_err(DeltaTableError::from)?;
        let committed = state.transaction_version(self.log_store.as_ref(), APP_ID).await?.unwrap_or(0);
        let mut files = Vec::new();
        for view in state.log_data().iter() {
            match DataFile::from_view(&view) {
                Some(file) => files.push(Arc::new(file)),
                None => return Err(Error::TableFile { path: view.path().into_owned() }),
            }
        }
        Ok(Some(Loaded {
            version: state.version(),
            committed: Offset::try_from(committed).unwrap_or_default(),
            files,
            metadata: state.metadata().clone(),
        }))
    }

    /// Makes the table. It is no error if somebody else has just made it.
    pub(crate) async fn create(&self, config: &TableConfig) -> Result<()> {
        let columns: Vec<StructField> = table_columns()?.fields().cloned().collect();
        let stats: Vec<_> = STATS_COLUMNS.iter().map(|col| col.name()).collect();
        let interval =
            |time: std::time::Duration| Some(format!("interval {} seconds", time.as_secs().max(1)));
        CreateBuilder::new()
            .with_log_store(self.log_store.clone())
            .with_table_name("events")
            .with_comment("Security events in OCSF columns, written by Stormglass.")
            .with_columns(columns)
            .with_partition_columns(Partition::columns())
            .with_configuration([
                ("delta.dataSkippingStatsColumns", Some(stats.join(","))),
                ("delta.deletedFileRetentionDuration", interval(config.keep_removed)),
                ("delta.logRetentionDuration", interval(config.keep_log)),
                ("delta.checkpointInterval", Some(config.checkpoint_every.max(1).to_string())),
            ])
            .with_save_mode(SaveMode::Ignore)
            .await?;
        Ok(())
    }

    /// Puts `change` into the form of the log.
    pub(crate) fn entry(&self, change: &Change) -> Result<Entry> {
        let now = Utc::now().timestamp_millis();
        let data_change = change.data_change;
        let mut actions: Vec<Action> = Vec::new();
        actions.extend(change.metadata.clone().map(Action::Metadata));
        actions.extend(change.remove.iter().map(|file| Action::Remove(file.remove_action(data_change, now))));
        actions.extend(change.add.iter().map(|file| Action::Add(file.add_action(data_change))));
        let offset = i64::try_from(change.offset)
            .map_err(|_| Error::NumberTooLarge { what: "log offset", value: change.offset })?;
        let id = Uuid::new_v4();
        let info = HashMap::from([
            (format!("{APP_ID}.writer"), self.writer.to_string().into()),
            (format!("{APP_ID}.entry"), id.to_string().into()),
        ]);
        let txn = Transaction::new_with_last_update(APP_ID, offset, Some(now));
        let data = CommitData::new(actions, operation(change), info, vec![txn]);
        let bytes = data.get_bytes().map_err(DeltaTableError::from)?;
        Ok(Entry { id, bytes })
    }

    /// Tries to write `entry` as `version`. After an error it may be written all the same.
    pub(crate) async fn put(&self, version: u64, entry: &Entry) -> Result<()> {
        let bytes = CommitOrBytes::LogBytes(entry.bytes.clone());
        let written = self.log_store.write_commit_entry(version, bytes, Uuid::new_v4()).await;
        Ok(written.map_err(DeltaTableError::from)?)
    }

    /// Looks at the entry `version`; `None` if there is none.
    pub(crate) async fn written(&self, version: u64, id: Uuid) -> Result<Option<Written>> {
        let bytes = match self.store.get(&commit_uri_from_version(Some(version))).await {
            Ok(object) => object.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let text = String::from_utf8_lossy(&bytes);
        Ok(Some(if text.contains(&id.to_string()) {
            Written::Asked
        } else if text.contains(&self.writer.to_string()) {
            Written::Ours
        } else if text.lines().any(is_our_transaction) {
            Written::Rival
        } else {
            Written::Foreign
        }))
    }

    /// Writes a checkpoint of `version` and drops the entries behind it that are old enough.
    pub(crate) async fn checkpoint(&self) -> Result<()> {
        let mut table = DeltaTable::new(self.log_store.clone());
        table.load().await?;
        checkpoints::create_checkpoint(&table, None).await?;
        let dropped = checkpoints::cleanup_metadata(&table, None).await?;
        tracing::debug!(version = table.version(), dropped, "checkpoint of the events table");
        Ok(())
    }

    /// The paths of files that were removed after `since_ms`.
    pub(crate) async fn removed_since(&self, since_ms: i64) -> Result<Vec<Path>> {
        let mut table = DeltaTable::new(self.log_store.clone());
        table.load().await?;
        let mut removed = Vec::new();
        let mut tombstones = table.snapshot()?.all_tombstones(self.log_store.as_ref());
        while let Some(tombstone) = tombstones.try_next().await? {
            if tombstone.deletion_timestamp().is_none_or(|at| at >= since_ms) {
                let path = tombstone.path();
                removed.push(Path::parse(path.as_ref()).unwrap_or_else(|_| Path::from(path.as_ref())));
            }
        }
        Ok(removed)
    }
}

fn operation(change: &Change) -> DeltaOperation {
    if !change.data_change {
        return DeltaOperation::Optimize { predicate: None, target_size: 0 };
    }
    if !change.remove.is_empty() {
        return DeltaOperation::Delete { predicate: None };
    }
    DeltaOperation::Write {
        mode: SaveMode::Append,
        partition_by: Some(Partition::columns().map(str::to_owned).to_vec()),
        predicate: None,
    }
}

/// Whether a line of an entry is the application transaction of a Stormglass.
fn is_our_transaction(line: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Line {
        txn: Option<Transaction>,
    }
    line.contains(APP_ID)
        && serde_json::from_str::<Line>(line)
            .is_ok_and(|line| line.txn.is_some_and(|txn| txn.app_id == APP_ID))
}

// ---------------------------------------------------------------------------------------------

/// The columns of the table as Delta names their types.
fn table_columns() -> Result<StructType> {
    let schema: StructType = stored_schema().as_ref().try_into_kernel()?;
    Ok(schema)
}

/// The table's description with the columns that this version knows and the table lacks; `None` if it
/// lacks none. Rows written before have null in them.
///
/// # Errors
/// The table has a column of another type: it is no table of Stormglass.
pub(crate) fn with_new_columns(metadata: &Metadata) -> Result<Option<Metadata>> {
    let schema = metadata.parse_schema().map_err(DeltaTableError::from)?;
    let mut added = Vec::new();
    for wanted in table_columns()?.fields() {
        match schema.field(wanted.name()) {
            None => added.push(StructField::nullable(wanted.name().clone(), wanted.data_type().clone())),
            Some(found) if found.data_type() == wanted.data_type() => {}
            Some(found) => {
                return Err(Error::TableColumn {
                    column: wanted.name().clone(),
                    found: found.data_type().to_string(),
                    wanted: wanted.data_type().to_string(),
                });
            }
        }
    }
    if added.is_empty() {
        return Ok(None);
    }
    let columns =
        StructType::try_new(schema.fields().cloned().chain(added)).map_err(DeltaTableError::from)?;
    Ok(Some(metadata.clone().with_schema(&columns).map_err(DeltaTableError::from)?))
}

/// The rows of each source that have expired so far.
pub(crate) fn expired(metadata: &Metadata) -> BTreeMap<String, u64> {
    let json = metadata.configuration().get(EXPIRED);
    json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

/// The table's description with these numbers of expired rows.
pub(crate) fn with_expired(metadata: &Metadata, expired: &BTreeMap<String, u64>) -> Result<Metadata> {
    let json = serde_json::Value::from_iter(expired.iter().map(|(source, rows)| (source.clone(), *rows)));
    Ok(metadata
        .clone()
        .add_config_key(EXPIRED.to_owned(), json.to_string())
        .map_err(DeltaTableError::from)?)
}
