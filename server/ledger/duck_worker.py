"""A process of its own that runs DuckDB: one request on stdin, one JSON answer on stdout.

Started as a script with an empty environment; imports nothing of ours, and duckdb only here. Modes:
`cache` runs one trusted statement; `query` copies events into memory, shuts every door to the
outside, and only then looks at SQL that somebody else wrote.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

_EXTRA_ADDRESS_SPACE = 2 << 30


class Refused(Exception):
    """An answer with an error code of ours."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def main() -> None:
    request = json.load(sys.stdin)
    if request["mode"] == "cache":
        import duckdb

        duckdb.connect(config=_CLOSED_EXTENSIONS).execute(request["sql"])
        return
    try:
        answer = run_query(request)
    except Refused as refused:
        answer = {"code": refused.code, "message": str(refused)}
    except MemoryError:
        answer = {"code": "sql_too_large", "message": "The query needs too much memory."}
    json.dump(answer, sys.stdout)


_CLOSED_EXTENSIONS = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
}


def run_query(request: dict[str, Any]) -> dict[str, Any]:
    """Run one untrusted SELECT."""
    _limit("RLIMIT_FSIZE", 0)
    _limit("RLIMIT_CORE", 0)
    _limit("RLIMIT_CPU", int(request["timeout_s"] * 4) + 2)
    _limit("RLIMIT_AS", (request["memory_mb"] << 20) + _EXTRA_ADDRESS_SPACE)
    import duckdb

    sql = request["sql"]
    tables = _check(duckdb, sql)
    connection = duckdb.connect(
        config={
            **_CLOSED_EXTENSIONS,
            "memory_limit": f"{request['memory_mb']}MB",
            "threads": "2",
            "temp_directory": "",
            "python_enable_replacements": "false",
        }
    )
    try:
        _load(connection, request, tables)
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        cursor = connection.execute(sql)
        columns = [column[0] for column in cursor.description or ()]
        rows = _rows(cursor, request["max_rows"] + 1, request["max_bytes"])
    except duckdb.OutOfMemoryException as error:
        raise Refused("sql_too_large", f"The query needs too much memory: {error}") from None
    except duckdb.Error as error:
        raise Refused("sql_error", str(error)) from None
    return {
        "columns": columns,
        "rows": rows[: request["max_rows"]],
        "truncated": len(rows) > request["max_rows"],
    }


def _check(duckdb: Any, sql: str) -> set[str] | None:
    """Refuse all but one SELECT; return the tables it names, if that can be told."""
    parser = duckdb.connect(config={**_CLOSED_EXTENSIONS, "enable_external_access": "false"})
    try:
        statements = parser.extract_statements(sql)
    except duckdb.Error as error:
        raise Refused("sql_error", str(error)) from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise Refused("sql_not_select", "Exactly one SELECT statement is accepted.")
    try:
        return {name.lower() for name in parser.get_table_names(sql)}
    except duckdb.Error:
        return None


def _load(connection: Any, request: dict[str, Any], tables: set[str] | None) -> None:
    """Copy the events that the query can need into memory and put the views on top."""
    views = request["views"]
    where = "true"
    if tables is not None and "events" not in tables:
        kinds = sorted({kind for name in tables & views.keys() for kind in views[name][0]})
        where = "kind IN (SELECT unnest($kinds))"
    values = {} if where == "true" else {"kinds": kinds}
    source = request["events_sql"]
    campaigns = request["campaigns"]
    if campaigns is None:
        query = f"SELECT * FROM ({source}) WHERE {where} ORDER BY seq"  # noqa: S608
        connection.execute(f"CREATE TABLE events AS {query}", values)
    else:
        connection.execute(f"CREATE TABLE every_event AS {source}")
        values = {**values, "campaigns": campaigns}
        chosen = request["campaign_sql"]
        query = f"SELECT * FROM ({chosen}) WHERE {where} ORDER BY seq"  # noqa: S608
        connection.execute(f"CREATE TABLE events AS {query}", values)
        connection.execute("DROP TABLE every_event")
    for name, (_, view) in views.items():
        connection.execute(f"CREATE VIEW {name} AS {view}")


def _rows(cursor: Any, count: int, max_bytes: int) -> list[list[Any]]:
    rows: list[list[Any]] = []
    size = 0
    while len(rows) < count:
        chunk = cursor.fetchmany(min(64, count - len(rows)))
        if not chunk:
            break
        for raw in chunk:
            row = [_plain(value) for value in raw]
            size += len(json.dumps(row))
            if size > max_bytes:
                raise Refused("sql_too_large", f"The result is larger than {max_bytes} bytes.")
            rows.append(row)
    return rows


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _limit(name: str, value: int) -> None:
    kind = getattr(resource, name)
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


if __name__ == "__main__":
    main()
