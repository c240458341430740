"""The privacy evidence: measured by tests at full counts, in rows that name their code."""
