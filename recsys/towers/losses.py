"""The towers' loss: one number per customer, without any term across customers."""

from __future__ import annotations

import torch
from torch import Tensor

# The logit of what must not be compared: finite, so that a row in which all is hidden has a defined softmax.
HIDDEN = -1e30


def masked_softmax_loss(target_logits: Tensor, negative_logits: Tensor, is_target: Tensor) -> Tensor:
    """Cross-entropy of a customer's hidden items under the softmax over all items that are not visible; [B].

    loss = mean over targets t of  log Z - s_t,
    Z = sum over the targets of exp(s) + sum over the negatives of exp(s).

    With all items as negatives this is the full softmax of Liang et al. (2018). With K negatives drawn with
    chances q, and -log(K q) in their logits, Z is an unbiased estimate of its sum (Bengio and Senecal 2008).

    target_logits: [B, T]; negative_logits: [B, K], HIDDEN or less where the negative is one of the customer's
    own items; is_target: bool [B, T], which targets count. A customer without targets has loss 0 and no
    gradient.
    """
    own = target_logits.masked_fill(~is_target, HIDDEN)
    log_partition = torch.logsumexp(torch.cat([own, negative_logits], 1), 1)
    targets = is_target.sum(1)
    mean_score = target_logits.masked_fill(~is_target, 0.0).sum(1) / targets.clamp(min=1)
    return torch.where(targets > 0, log_partition - mean_score, 0.0)
