"""What is wrong with a dataset before anyone trains on it."""

from ichmonai.audit.audit import Audit, audit
from ichmonai.audit.files import audit_record, write_audit
from ichmonai.audit.judgement import Judgement, Verdict, judge, worst

__all__ = ["Audit", "Judgement", "Verdict", "audit", "audit_record", "judge", "worst", "write_audit"]
