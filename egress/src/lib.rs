//! The only way out for what Stormglass sends to others: notifications, tickets, pages.
//!
//! A destination is judged by the address that a connection is made to, not by its name: names can be pointed
//! elsewhere between a check and its use.
