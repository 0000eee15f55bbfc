"""Quality at the door: tissue, focus, pen marks and folds of a published slide, as hints for people."""

from pathserve.ingest.quality.judge import judge
from pathserve.ingest.quality.report import judge_at_ingest, judge_slide, judged

__all__ = ["judge", "judge_at_ingest", "judge_slide", "judged"]
