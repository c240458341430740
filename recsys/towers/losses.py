"""The towers' loss: one number per customer, without any term across customers."""

from __future__ import annotations

import torch
from torch import Tensor

HIDDEN = -1e30  # finite: a row in which all is hidden keeps a defined softmax and passes no gradient


def masked_softmax_loss(
    target_logits: Tensor, negative_logits: Tensor, is_target: Tensor, is_negative: Tensor, population: Tensor
) -> Tensor:
    """Cross-entropy of a customer's hidden items under the softmax over all items that are not visible; [B].

    loss = mean over targets t of  log Z - s_t,
    Z = sum over the targets of exp(s) + (population / negatives used) * sum over the negatives of exp(s).

    The partition function counts the customer's own targets exactly and estimates the rest of the catalogue
    without bias from a uniform sample (importance weights as in Bengio and Senecal 2008); with all items as
    negatives it is the full softmax of Liang et al. (2018).

    target_logits: [B, T] and negative_logits: [B, K], the scores s; is_target: bool [B, T], which targets
    count; is_negative: bool [B, K], negatives that are none of the customer's own items; population: [B], how
    many catalogue items the customer does not have. A customer without targets has loss 0 and no gradient.
    """
    used = is_negative.sum(1).clamp(min=1)
    correction = (population.clamp(min=1) / used).log()
    others = (negative_logits + correction[:, None]).masked_fill(~is_negative, HIDDEN)
    own = target_logits.masked_fill(~is_target, HIDDEN)
    log_partition = torch.logsumexp(torch.cat([own, others], 1), 1)
    targets = is_target.sum(1)
    mean_score = target_logits.masked_fill(~is_target, 0.0).sum(1) / targets.clamp(min=1)
    return torch.where(targets > 0, log_partition - mean_score, 0.0)
