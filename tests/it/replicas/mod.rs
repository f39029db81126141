//! The promise of a revocation with several replicas on one PostgreSQL, put to the programs themselves: no check that is
//! sent to any replica after the answer passes.

mod around;
mod compose;
mod duties;
mod failover;
mod faults;
mod flaws;
mod moving;
mod plain;
mod restores;
mod stage;
mod trial;
