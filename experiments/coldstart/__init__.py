"""Cold start and drift: new customers, new items, new silos, and a model that grows old, measured."""
