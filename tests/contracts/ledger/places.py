"""What kind of database a ledger's place is, for the evidence."""


def kind_of(where: str) -> str:
    """The database's name."""
    return "PostgreSQL" if where.startswith("postgresql") else "SQLite"
