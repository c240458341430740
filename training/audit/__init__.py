"""Evidence for the claim: attacks on the real code, and broken builds that they must tell from it."""
