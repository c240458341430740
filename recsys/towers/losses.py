"""The towers' loss: one number per customer, without any term across customers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# The logit of what must not be compared: finite, so that a row in which all is hidden has a defined softmax.
HIDDEN = -1e30


def own_items_loss(
    scores: Tensor, own_bias: Tensor, bias: Tensor, is_own: Tensor, hidden: tuple[Tensor, Tensor]
) -> Tensor:
    """Cross-entropy of a customer's items under the softmax over the catalogue; [B].

    loss = mean over own items l of  log Z - s_l,
    Z = sum over own items of exp(s) + sum over the negatives of exp(s),
    with scores and biases added up to logits s. With all items as negatives this is the full softmax of Liang
    et al. (2018). With K negatives drawn with chances q, and -log(K q) in their logits, Z is an unbiased
    estimate of its sum (Bengio and Senecal 2008).

    scores: [B, L + K], first of the own items; own_bias: [B, L]; bias: [K] or [B, K]; is_own: bool [B, L],
    which positions hold an item; hidden: rows and columns, int64 [H] each, of negatives that have no part
    because they are the customer's own. A customer without items has loss 0 and no gradient.
    """
    loss: Tensor = _OwnItemsLoss.apply(scores, own_bias, bias, is_own, *hidden)  # type: ignore[no-untyped-call]
    return loss


class _OwnItemsLoss(torch.autograd.Function):
    """The gradient in closed form: over a large catalogue each pass over the scores counts."""

    @staticmethod
    def forward(
        ctx: Any,
        scores: Tensor,
        own_bias: Tensor,
        bias: Tensor,
        is_own: Tensor,
        rows: Tensor,
        columns: Tensor,
    ) -> Tensor:
        length = is_own.shape[1]
        gradient = torch.empty_like(scores)
        own, negatives = gradient[:, :length], gradient[:, length:]
        torch.add(scores[:, :length], own_bias, out=own)
        torch.add(scores[:, length:], bias, out=negatives)
        items = is_own.sum(1, keepdim=True)
        share = is_own / items.clamp(min=1)
        mean_logit = (own * share).sum(1)
        own.masked_fill_(~is_own, HIDDEN)
        negatives[rows, columns] = HIDDEN
        top = gradient.amax(1, keepdim=True)
        gradient.sub_(top).exp_()
        total = gradient.sum(1, keepdim=True)
        gradient.mul_((items > 0) / total)
        own.sub_(share)
        ctx.save_for_backward(gradient)
        return torch.where(items[:, 0] > 0, total.log()[:, 0] + top[:, 0] - mean_logit, 0.0)

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        if not bool((outputs[0] == 1.0).all()):  # of a sum of losses it is all ones
            gradient = gradient * outputs[0][:, None]
        return gradient, None, None, None, None, None
