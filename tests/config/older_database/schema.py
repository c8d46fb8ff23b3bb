"""Everything in the schema of a database, to compare two databases. The order of columns does not matter."""

import re

from django.db import connection

# Each query returns names and their definitions.
_OF_POSTGRESQL = (
    """SELECT 'column ' || table_name || '.' || column_name, concat_ws(' ', data_type, character_maximum_length,
    numeric_precision, is_nullable, column_default, is_identity, identity_generation, collation_name)
    FROM information_schema.columns WHERE table_schema = 'public'""",
    "SELECT 'index ' || indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    """SELECT 'constraint ' || conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace""",
    """SELECT 'parameters ' || relname, concat_ws(' ', relkind, relpersistence, reloptions::text) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace""",
    "SELECT 'trigger ' || tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
)
_OF_SQLITE = "SELECT type || ' ' || name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"


def schema() -> dict[str, list[str]]:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(_OF_SQLITE)
            return {name: _clauses(sql) for name, sql in cursor.fetchall()}
        found: dict[str, list[str]] = {}
        for query in _OF_POSTGRESQL:
            cursor.execute(query)
            found |= {name: [_as_first_written(definition)] for name, definition in cursor.fetchall()}
        return found


def _as_first_written(definition: str) -> str:
    """PostgreSQL writes the same condition differently after a dump was loaded or a column became wider."""
    plain = re.sub(r"\(('\w*'::character varying)\)::text", r"\1", definition)
    return re.sub(r"\(\((ARRAY\[[^\]]*\])\)::text\[\]\)", r"(\1)", plain)


def _clauses(sql: str) -> list[str]:
    """The columns and constraints of a CREATE TABLE. An index stays unchanged."""
    if not sql.startswith("CREATE TABLE"):
        return [sql]
    clauses, depth = [""], 0
    for character in sql.partition("(")[2].rpartition(")")[0]:
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            clauses.append("")
        else:
            clauses[-1] += character
    return sorted(clause.strip() for clause in clauses)
