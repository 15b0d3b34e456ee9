"""Brings the rows of a CSV file into an Airtable table: a known lead is updated, a new one is created.

Every row is checked before the first one is sent.
"""
import doe

import csv
import json
import os
import sys

ROWS_A_CALL = 100
BYTES_A_CALL = 256 * 1024
MOST_ROWS = 50_000


class Refused(Exception):
    """The file cannot be sent as it is; nothing was."""


def main() -> None:
    doe.validate()
    payload = doe.payload()
    try:
        keys = payload['fields_to_merge_on']
        records = read_records(payload['csv'], payload.get('columns', {}))
        check_keys(records, keys)
    except (Refused, OSError, csv.Error, UnicodeDecodeError) as reason:
        sys.exit(f'sync_leads_airtable: {payload["csv"]}: {reason}. Nothing was sent.')
    print(f'{len(records)} rows in {payload["csv"]}')
    counts = {'created': 0, 'updated': 0}
    done = 0
    for batch in batches(records):
        try:
            answer = upsert(payload, batch)
        except doe.IntegrationError as reason:
            sys.exit(f'sync_leads_airtable: {done} of {len(records)} rows were taken, then it stopped: {reason}')
        for name in counts:
            counts[name] += answer[name]
        done += len(batch)
        doe.progress(100 * done / len(records), f'{done} of {len(records)} rows')
    doe.result({'table': payload['table'], 'rows': len(records), **counts})


def read_records(path: str, columns: dict) -> list:
    """The rows as records by field name; an empty cell leaves its field as it is."""
    home = os.path.realpath(os.environ.get('DOE_HOME') or os.getcwd())
    real = os.path.realpath(os.path.join(home, path))
    if not real.startswith(home + os.sep):
        raise Refused('it leads out of the home')
    with open(real, encoding='utf-8-sig', newline='') as file:
        reader = csv.DictReader(file, strict=True)
        header = reader.fieldnames or []
        missing = [name for name in columns if name not in header]
        if missing:
            raise Refused(f'it has no column {missing[0]!r}; its columns are {", ".join(header)}')
        if len({columns.get(name, name) for name in header}) < len(header):
            raise Refused('two of its columns are one field')
        rows = []
        for row in reader:
            if None in row or None in row.values():
                raise Refused(f'line {reader.line_num} has not {len(header)} cells, as the first line has')
            if len(rows) == MOST_ROWS:
                raise Refused(f'it has more than {MOST_ROWS} rows')
            named = {columns.get(name, name): value.strip() for name, value in row.items()}
            rows.append({name: value for name, value in named.items() if value})
    if not rows:
        raise Refused('it has no rows')
    return rows


def check_keys(records: list, keys: list) -> None:
    """Every row must be told from every other by the fields that records are matched on."""
    seen: dict = {}
    for number, record in enumerate(records, start=1):
        missing = [key for key in keys if key not in record]
        if missing:
            raise Refused(f'row {number} has no {missing[0]!r}, which records are matched on')
        key = tuple(record[name] for name in keys)
        if key in seen:
            raise Refused(f'rows {seen[key]} and {number} have the same {", ".join(keys)}')
        seen[key] = number


def batches(records: list):
    """The records in parts that one call can take."""
    batch, size = [], 0
    for record in records:
        more = len(json.dumps(record))
        if batch and (len(batch) == ROWS_A_CALL or size + more > BYTES_A_CALL):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += more
    yield batch


def upsert(payload: dict, records: list) -> dict:
    return doe.integration('airtable', 'upsert', {
        'table': payload['table'],
        'records': [{'fields': record} for record in records],
        'fields_to_merge_on': payload['fields_to_merge_on'],
        # A CSV file has texts alone; the table has numbers, dates and choices too.
        'typecast': payload.get('typecast', True),
    })


if __name__ == '__main__':
    main()
