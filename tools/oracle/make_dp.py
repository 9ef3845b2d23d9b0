"""What other accountants say: the fixture tests/fixtures/dp/expected.json.

    python -m venv VENV && VENV/bin/pip install dp-accounting==0.6.0 prv-accountant==0.2.0 && VENV/bin/pip install --no-deps opacus==1.6.0
    VENV/bin/python tools/oracle/make_dp.py

Opacus is read for its Renyi analysis only, which needs no torch. "exact" is the integral by mpmath: at some fractional orders
the two programs differ from each other, and then one of them from it.
"""
import importlib.metadata
import importlib.util
import json
import math
import pathlib
import sys

from mpmath import mp
from dp_accounting import dp_event
from dp_accounting.pld import privacy_loss_distribution as pld
from dp_accounting.rdp import rdp_privacy_accountant as rdp
from prv_accountant.dpsgd import DPSGDAccountant

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/fixtures/dp/expected.json"
OPACUS_ORDERS = [1 + x / 10.0 for x in range(1, 100)] + list(range(12, 64))


def opacus_rdp():
    """opacus/accountants/analysis/rdp.py by its file: the package's __init__ would load torch."""
    base = next(f for f in importlib.metadata.files("opacus") if str(f).endswith("accountants/analysis/rdp.py"))
    spec = importlib.util.spec_from_file_location("opacus_rdp", base.locate())
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def finite(v):
    return float(v) if math.isfinite(v) else None


def exact(q, sigma, order):
    """The defining integral with 30 digits."""
    mp.dps = 30
    q, sigma, order = mp.mpf(q), mp.mpf(sigma), mp.mpf(order)

    def f(x):
        ratio = (1 - q) + q * mp.exp((2 * x - 1) / (2 * sigma**2))
        return mp.npdf(x, 0, sigma) * ratio**order
    lo, hi = -14 * sigma, order + 14 * sigma
    n = int((hi - lo) / sigma) + 1
    return float(mp.log(mp.quad(f, mp.linspace(lo, hi, n), maxdegree=5)) / (order - 1))


def main():
    op = opacus_rdp()
    versions = {p: importlib.metadata.version(p) for p in ("opacus", "dp-accounting", "prv-accountant")}
    steps = []
    for q, sigma in ((1.0, 2.0), (0.01, 1.0), (0.01, 4.0), (256 / 60000, 1.1), (0.1, 0.7), (0.001, 0.5), (1e-5, 0.8), (0.3, 3.0)):
        for order in (1.1, 1.5, 2, 2.5, 3, 5.3, 8, 16, 31.7, 32, 63, 128, 256):
            a = float(op.compute_rdp(q=q, noise_multiplier=sigma, steps=1, orders=[order])[0])
            event = dp_event.PoissonSampledDpEvent(q, dp_event.GaussianDpEvent(sigma))
            acc = rdp.RdpAccountant([order])
            acc.compose(event)
            steps.append({"q": q, "sigma": sigma, "order": order, "opacus": finite(a), "dp_accounting": finite(acc._rdp[0])})
            if order < 10:
                steps[-1]["exact"] = exact(q, sigma, order)
                print(steps[-1], flush=True)
    runs = []
    for q, sigma, n, delta in ((0.01, 4.0, 10000, 1e-5), (0.01, 1.0, 1000, 1e-5), (256 / 60000, 1.1, 14062, 1e-5), (0.05, 0.8, 200, 1e-6),
                               (0.001, 0.6, 5000, 1e-7), (1.0, 10.0, 100, 1e-5), (0.2, 2.0, 50, 1e-5), (0.02, 1.5, 1, 1e-6)):
        r = {"q": q, "sigma": sigma, "steps": n, "delta": delta}
        eps, order = op.get_privacy_spent(orders=OPACUS_ORDERS, rdp=op.compute_rdp(q=q, noise_multiplier=sigma, steps=n, orders=OPACUS_ORDERS), delta=delta)
        r["opacus_rdp"], r["opacus_order"] = float(eps), float(order)
        for name, pessimistic in (("dp_accounting_upper", True), ("dp_accounting_lower", False)):
            p = pld.from_gaussian_mechanism(sigma, sampling_prob=q, pessimistic_estimate=pessimistic, value_discretization_interval=1e-4)
            r[name] = float(p.self_compose(n).get_epsilon_for_delta(delta))
        if q < 1:
            acc = DPSGDAccountant(noise_multiplier=sigma, sampling_probability=q, eps_error=0.01, delta_error=delta / 1000, max_steps=n)
            r["prv_lower"], r["prv_estimate"], r["prv_upper"] = (float(v) for v in acc.compute_epsilon(delta=delta, num_steps=n))
        runs.append(r)
        print(r, flush=True)
    OUT.write_text(json.dumps({"source": versions, "steps": steps, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
