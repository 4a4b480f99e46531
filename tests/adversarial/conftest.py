from tests.judge.conftest import bench, judge, problem

__all__ = ["bench", "judge", "problem"]
