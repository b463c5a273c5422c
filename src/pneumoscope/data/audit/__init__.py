"""What could a model cheat with? Files, geometry, borders, sources, and what crosses between splits."""

from pneumoscope.data.audit.run import run_audit
from pneumoscope.data.audit.verdict import Audit, AuditVerdict, audit_verdict

__all__ = ["Audit", "AuditVerdict", "audit_verdict", "run_audit"]
