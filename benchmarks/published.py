"""Published precision at 100 of unsupervised hashing on the same data, read in the papers' own tables.

Splits are drawn anew, so a point or two is noise. The first three tables are on the files of VDSH (Chaidaroon, Fang
2017): Ou et al. (2021), "Integrating semantics and neighborhood information with graph-driven generative models for
document retrieval" (SNUH), table 1. The other two are on the files of RBSH (Hansen et al. 2019): Hansen et al. (2020),
"Unsupervised semantic hashing with pairwise reconstruction" (PairRec), table 2. `tmc/bow.npz` holds 11 of the 28
thousand reports that those tables are on.
"""

from __future__ import annotations

Figures = dict[str, dict[int, float]]
"""Method to width in bits to P@100."""


def _table(widths: tuple[int, ...], rows: dict[str, tuple[float, ...]]) -> Figures:
    return {method: dict(zip(widths, row, strict=True)) for method, row in rows.items()}


_VDSH, _RBSH = (16, 32, 64, 128), (8, 16, 32, 64, 128)

PUBLISHED: dict[str, Figures] = {
    "ng20/bow.npz": _table(
        _VDSH,
        {
            "VDSH (2017)": (0.390, 0.433, 0.173, 0.052),
            "NASH (2018)": (0.511, 0.567, 0.507, 0.466),
            "GMSH (2019)": (0.486, 0.538, 0.587, 0.558),
            "AMMI (2020)": (0.552, 0.596, 0.640, 0.662),
            "CorrSH (2020)": (0.584, 0.618, 0.628, 0.636),
            "SNUH (2021)": (0.578, 0.639, 0.665, 0.673),
        },
    ),
    "reuters/bow.npz": _table(
        _VDSH,
        {
            "VDSH (2017)": (0.717, 0.775, 0.746, 0.732),
            "NASH (2018)": (0.762, 0.799, 0.781, 0.756),
            "GMSH (2019)": (0.767, 0.818, 0.821, 0.785),
            "AMMI (2020)": (0.817, 0.845, 0.851, 0.860),
            "CorrSH (2020)": (0.821, 0.842, 0.847, 0.848),
            "SNUH (2021)": (0.832, 0.847, 0.856, 0.862),
        },
    ),
    "tmc/bow.npz": _table(
        _VDSH,
        {
            "VDSH (2017), all of TMC": (0.685, 0.711, 0.441, 0.585),
            "NASH (2018), all of TMC": (0.657, 0.692, 0.655, 0.600),
            "GMSH (2019), all of TMC": (0.674, 0.702, 0.709, 0.724),
            "AMMI (2020), all of TMC": (0.710, 0.742, 0.752, 0.763),
            "CorrSH (2020), all of TMC": (0.724, 0.753, 0.761, 0.763),
            "SNUH (2021), all of TMC": (0.725, 0.754, 0.766, 0.773),
        },
    ),
    "reuters/bow_rbsh.npz": _table(
        _RBSH,
        {
            "NASH (2018)": (0.620, 0.707, 0.764, 0.780, 0.804),
            "RBSH (2019)": (0.741, 0.774, 0.815, 0.812, 0.809),
            "PairRec (2020)": (0.750, 0.803, 0.827, 0.833, 0.847),
        },
    ),
}
"""By name of the corpus: its folder and file."""
