"""Claim against attack: what is promised, and what the attacks prove, in one picture."""

from __future__ import annotations

from io import BytesIO

from training.audit.record import AuditResult

PLOT = "claim_and_attack.png"
ONE_RUN = {
    "epsilon_bound": "guesses, any (ε, δ)",
    "curve_bound": "guesses, whole curve",
    "separation_bound": "all scores",
}


def plot_png(result: AuditResult) -> bytes:
    """Lower bounds at 95 % over the claims they attack, each kind of attack a line; above the diagonal a
    claim would be broken."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for mechanism in dict.fromkeys(step.mechanism for step in result.steps):
        found = [step for step in result.steps if step.mechanism == mechanism]
        left.plot([s.claim for s in found], [s.bound for s in found], "o-", label=mechanism)
    for name, label in ONE_RUN.items():
        bounds = [getattr(run, name) for run in result.one_run]
        right.plot([run.claim for run in result.one_run], bounds, "o-", label=label)
    claims = sorted({step.claim for step in result.steps} | {run.claim for run in result.one_run})
    for axes, title in ((left, "one release, canary forced in"), (right, "one run, many canaries")):
        axes.plot(claims, claims, "k--", label="claim")
        axes.set(title=title, xlabel=f"claimed ε at δ = {result.delta:g}")
        axes.legend(fontsize="small")
    left.set_ylabel("ε that the attack proves (95 %)")
    file = BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()
