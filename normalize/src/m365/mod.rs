//! Microsoft 365: the unified audit log of Exchange, SharePoint, OneDrive, Teams, Entra and the rest.

pub(crate) mod audit;

mod fields;
mod operation;
mod subject;
