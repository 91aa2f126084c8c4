"""For any log: the fold of a prefix is the state at that moment, copied, read or replayed."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from runmaker import RunMaker

from runner import History, fold, read_state
from runner.core.state import apply
from runner.core.state.snapshot import copy_state


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32),
    events=st.integers(1, 400),
    workers=st.integers(1, 9),
    share=st.floats(0, 1),
    engines=st.integers(1, 3),
)
def test_prefix_fold_is_state_at_is_status_at(seed, events, workers, share, engines):
    with tempfile.TemporaryDirectory() as folder:
        maker = RunMaker(Path(folder) / "r", workers=workers, tasks=50)
        for number in range(engines):
            maker.wait(number)
            maker.engine()
            maker.chatter(events // engines, seed + number)
        maker.close()
        at = maker.made[int(share * (len(maker.made) - 1))].at
        history = History(maker.run_dir, snapshot_events=40, snapshot_bytes=4000).refresh()
        expected = fold([event for event in maker.made if event.at <= at])
        assert history.state_at(at) == expected
        assert read_state(maker.run_dir, at) == expected
        history.close()


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), events=st.integers(1, 300), cut=st.integers(0, 300))
def test_a_copy_folds_on_as_the_original_does(seed, events, cut):
    with tempfile.TemporaryDirectory() as folder:
        maker = RunMaker(Path(folder) / "r", workers=5)
        maker.engine()
        maker.chatter(events, seed)
        maker.close()
        made = maker.made
        place = min(cut, len(made))
        original = fold(made[:place])
        copied = copy_state(original)
        assert copied == original
        for event in made[place:]:
            apply(original, event)
        assert copied == fold(made[:place])  # untouched by what the original went through
        assert fold(made[place:], copied) == original
