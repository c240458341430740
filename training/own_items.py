"""The customers' own items as one flat list: most of a row, as long as any history may be, is padding."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from training.batches import Batch


@dataclass(frozen=True)
class OwnItems:
    """P entries (customer, own item), customer by customer; what is padding in a batch has none.

    customers: int64 [P], rows of the batch; positions: int64 [P], in the row; items: int64 [P]
    weights: float32 [P]; size: customers in the batch, those without an entry too

    Entries stand alone and sums run over one customer's entries in order, so that what comes out for a
    customer has the same bits whoever else is in the batch.
    """

    customers: Tensor
    positions: Tensor
    items: Tensor
    weights: Tensor
    size: int

    @classmethod
    def of(cls, batch: Batch) -> OwnItems:
        """Where the batch holds an item or a weight."""
        customers, positions = (batch.is_own | (batch.weights != 0.0)).nonzero(as_tuple=True)
        where = customers, positions
        return cls(customers, positions, batch.history[where], batch.weights[where], len(batch))

    def by_customer(self, values: Tensor) -> Tensor:
        """Sums over each customer's entries; [size, ...]. values: [P, ...]."""
        return values.new_zeros(self.size, *values.shape[1:]).index_add_(0, self.customers, values)
