"""Quality at the door: tissue, focus, pen marks and folds of a published slide, as hints for people."""

from pathserve.ingest.quality.judge import VERSION, judge
from pathserve.ingest.quality.report import is_current, judge_at_ingest, judge_slide, judged

__all__ = ["VERSION", "is_current", "judge", "judge_at_ingest", "judge_slide", "judged"]
