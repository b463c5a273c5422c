"""A page of results: what its plan asks for, gathered from runs, bundles and evaluations."""

from pneumoscope.release.results.commands import Places
from pneumoscope.release.results.gather import Gathered, gather_results
from pneumoscope.release.results.kept import write_kept
from pneumoscope.release.results.plan import Plan, load_plan

__all__ = ["Gathered", "Places", "Plan", "gather_results", "load_plan", "write_kept"]
