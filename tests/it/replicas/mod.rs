//! The promise of a revocation with several replicas on one PostgreSQL, put to the programs themselves: no check that is
//! sent to any replica after the answer passes.

mod around;
mod bounds;
mod changes;
mod compose;
mod duties;
mod failover;
mod faults;
mod flaws;
mod judge;
mod moving;
mod plain;
mod pooled;
mod restores;
mod stage;
mod theatre;
mod together;
mod trial;
mod upgrades;
