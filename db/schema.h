/* schema.h: the tables, the views and the way from an older file to this one. Inside db/ only.
 *
 * A migration is one element of an array that only ever grows: what it does in words, and its SQL. The number of a schema (PRAGMA user_version) is
 * the count of elements applied. Each runs in a transaction of its own, after a copy of the file was made as PATH.vN (N: the version it had).
 * The views are dropped and made anew behind the last step, so that a migration never speaks of them.
 *
 * A column is added like this: append {"words", "ALTER TABLE …"} to nj_db_migrations, extend the view, and put a file of the version before into
 * the test of migrations. Elements that were released are never changed. */
#ifndef NJ_DB_SCHEMA_H
#define NJ_DB_SCHEMA_H

#include <stddef.h>

struct nj_db_migration {
    const char *what, *sql[4]; /* run one after the other, up to the first NULL */
};

extern const struct nj_db_migration nj_db_migrations[];
extern const size_t                 nj_db_migration_count;

/* Statements that drop and make all views of the contract (interfaces part 3). */
extern const char nj_db_views[];

#endif
