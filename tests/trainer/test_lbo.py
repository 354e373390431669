"""Operators: their shape, their pairs, what training makes of them, the pool, and what is refused."""

from __future__ import annotations

import csv
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file

from trainer import checkpoints
from trainer.cli import main
from trainer.clips import find_clips
from trainer.dataset import DegradedClips, Sampling
from trainer.degradation.scaling import scaled_down
from trainer.degradation.settings import LEARNED, Degradation
from trainer.drawn_clips import draw_clips
from trainer.errors import CheckpointError, OperatorError, PairError, SettingError, TrainerError
from trainer.lbo import degrader, folder, learned
from trainer.lbo.degrader import Degrader
from trainer.lbo.operator import Framewise, Operator
from trainer.lbo.pairs import Pairs
from trainer.lbo.pool import fingerprint, read_operator, read_pool, save_operator
from trainer.lbo.stages import STAGES, OperatorTraining, preset
from trainer.lbo.training import train_operator
from trainer.records import FILE
from trainer.settings import changed
from trainer.stages import Training
from trainer.stages import preset as network_preset
from trainer.training import train

TINY = ("records.show=0", "size=64")


def lq_of(hq: torch.Tensor) -> torch.Tensor:
    """A degradation that no basic operator is: half the size, darker, and red as green."""
    small = scaled_down(hq, 2, "area")
    return 0.7 * torch.stack([small[:, 1], small[:, 1], small[:, 2]], 1) + 0.1


def write_pairs(path: Path, clips: Path) -> Path:
    """Pairs out of clips, and of that degradation."""
    for clip in find_clips(clips):
        pictures = torch.from_numpy(np.stack(clip.read(range(8)))).permute(0, 3, 1, 2).float() / 255
        for kind, frames in ((folder.hq(path), pictures), (folder.lq(path), lq_of(pictures))):
            (kind / clip.name).mkdir(parents=True)
            for n, frame in enumerate((255 * frames).round().byte().permute(0, 2, 3, 1).numpy()):
                Image.fromarray(frame).save(kind / clip.name / f"{n:08}.png")
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips")
    draw_clips(path, clips=3)
    return path


@pytest.fixture(scope="module")
def pairs(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("pairs"), clips)


@pytest.fixture
def copied(pairs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pairs, tmp_path / "copied"))


def test_it_has_the_release_s_shape() -> None:
    """Facts 3.1."""
    operator = Operator(halves=True)

    shapes = {name: tuple(tensor.shape) for name, tensor in operator.state_dict().items()}
    assert shapes == {
        "main.0.weight": (64, 12, 3, 3),
        "main.0.bias": (64,),
        "main.2.weight": (64, 64, 3, 3),
        "main.2.bias": (64,),
        "main.4.weight": (3, 64, 3, 3),
        "main.4.bias": (3,),
    }
    assert sum(parameter.numel() for parameter in operator.parameters()) == 45_635
    assert operator(torch.rand(2, 3, 32, 48)).shape == (2, 3, 16, 24)
    assert Operator(halves=False)(torch.rand(2, 3, 32, 48)).shape == (2, 3, 32, 48)
    assert all(not bias.any() for name, bias in operator.state_dict().items() if name.endswith("bias"))


def test_it_is_three_convolutions_and_two_leaky_relus_on_unshuffled_pixels() -> None:
    torch.manual_seed(1)
    operator, picture = Operator(halves=True, features=5), torch.rand(1, 3, 6, 8)
    weights = operator.state_dict()

    folded = picture.reshape(1, 3, 3, 2, 4, 2).permute(0, 1, 3, 5, 2, 4).reshape(1, 12, 3, 4)
    for layer in (0, 2, 4):
        weight, bias = weights[f"main.{layer}.weight"], weights[f"main.{layer}.bias"]
        patches = torch.nn.functional.unfold(folded, 3, padding=1).reshape(1, folded.shape[1], 9, 12)
        folded = torch.einsum("ocy,bcyp->bop", weight.flatten(2), patches).reshape(1, -1, 3, 4) + bias.view(1, -1, 1, 1)
        if layer < 4:
            folded = torch.maximum(folded, 0.2 * folded)

    assert torch.allclose(operator(picture), folded, atol=1e-5)


def test_over_clips_each_frame_is_for_itself() -> None:
    operator, clips_ = Operator(halves=True, features=4), torch.rand(2, 3, 3, 16, 16)
    with torch.no_grad():
        found = Framewise(operator)(clips_)
        assert found.shape == (2, 3, 3, 8, 8)
        for b in range(2):
            for t in range(3):
                assert torch.allclose(found[b, t], operator(clips_[b, t][None])[0], atol=1e-6)


def test_presets_have_the_numbers_of_the_paper_and_of_the_release() -> None:
    """Facts 3.3, the paper's section 5.1."""
    for name in ("paper", "release"):
        first, second = (preset(stage, name) for stage in STAGES)
        assert (first.steps, first.batch, first.size) == (second.steps, second.batch, second.size) == (100_000, 16, 256)
        assert (first.optimiser.rate, second.optimiser.rate, second.optimiser.discriminator_rate) == (2e-4, 1e-4, 1e-4)
        assert (first.losses.l1, first.losses.perceptual.weight, first.losses.gan) == (1, 0, 0)
        assert (second.losses.l1, second.losses.mse, second.losses.perceptual.weight, second.losses.gan) == (1, 0, 1, 1)
    paper, release = (preset("lbo-l1", name) for name in ("paper", "release"))
    assert (paper.losses.mse, release.losses.mse) == (0, 1)
    assert (paper.discriminator.layers, release.discriminator.layers) == ((3, 3, 3), (3,))
    assert (paper.operator.halves, release.operator.halves) == (False, True)
    assert (paper.turned, release.turned) == (False, True)
    assert (paper.average, release.average) == (0, 0)
    assert [release.optimiser.share_at(step, 100) for step in (0, 49, 50, 99)] == [1, 1, 0.5, 0.5]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    epoch=st.integers(0, 9),
    index=st.integers(0, 23),
    halves=st.booleans(),
    turns=st.booleans(),
)
def test_both_halves_of_a_sample_show_the_same_place(
    pairs: Path, seed: int, epoch: int, index: int, halves: bool, turns: bool
) -> None:
    sample = Pairs(pairs, size=64, halves=halves, seed=seed, turns=turns)[epoch, index]
    again = Pairs(pairs, size=64, halves=halves, seed=seed, turns=turns, memory=10**6)[epoch, index]

    assert torch.equal(sample.given, again.given)
    assert torch.equal(sample.target, again.target)
    assert (sample.target.shape, sample.target.dtype) == ((1, 3, 32, 32), torch.uint8)
    side = 64 if halves else 32
    assert (sample.given.shape, sample.given.dtype) == ((1, 3, side, side), torch.float32)
    if halves:
        assert (lq_of(sample.given) - sample.target / 255).abs().max() < 2 / 255
    else:  # halved by one of two modes
        blue = 0.7 * sample.given[:, 2] + 0.1
        assert (blue - sample.target[:, 2] / 255).abs().mean() < 0.02


def is_sloped(lq: torch.Tensor, axis: int) -> bool:
    """Whether a picture becomes brighter to the end of a side."""
    return bool((lq.float().diff(dim=axis) > 0).all())


@pytest.mark.parametrize("turned", [False, True])
def test_what_is_done_along_the_line_stays_so_unless_pairs_are_turned(
    turned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ringing is to the right of edges: the mean of pairs that are turned shows it on all sides, and hardly."""
    slope = np.broadcast_to(np.arange(20, 52, dtype=np.uint8)[None, :, None] * 4, (32, 32, 3))
    for kind, picture in ((folder.hq(tmp_path), slope.repeat(2, 0).repeat(2, 1)), (folder.lq(tmp_path), slope)):
        (kind / "slope").mkdir(parents=True)
        Image.fromarray(picture).save(kind / "slope" / "00000000.png")
    seen: list[Pairs] = []
    monkeypatch.setattr("trainer.lbo.training.train_on", lambda pairs, _settings, _path: seen.append(pairs))

    train_operator(changed(preset("lbo-l1", "debug"), [f"data={tmp_path}", f"turned={str(turned).lower()}"]), tmp_path)

    targets = [seen[0][epoch, 0].target for epoch in range(40)]
    assert all(is_sloped(target, -1) for target in targets) is not turned
    assert any(is_sloped(target, -2) for target in targets) is turned


def test_samples_differ_and_cover_the_pictures(pairs: Path) -> None:
    data = Pairs(pairs, size=64, halves=True, seed=0)

    assert len(data) == 24
    assert data.lengths() == {f"shapes-{n}": 8 for n in range(3)}
    crops = {data[epoch, 3].given.numpy().tobytes() for epoch in range(20)}
    assert len(crops) > 15


def _unpaired(path: Path) -> None:
    shutil.rmtree(folder.hq(path) / "shapes-1")


def _of_another_size(path: Path) -> None:
    for file in (folder.hq(path) / "shapes-1").iterdir():
        Image.new("RGB", (120, 128)).save(file)


def _cut_off(path: Path) -> None:
    file = folder.lq(path) / "shapes-1" / "00000003.png"
    file.write_bytes(file.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: shutil.rmtree(path / "pairs"), "holds no pairs; make them: python -m trainer lbo pairs EPISODE"),
        (_unpaired, "clip 'shapes-1' of .* has 8 LQ pictures and 0 of pseudo-HQ"),
        (lambda path: (folder.hq(path) / "shapes-1" / "00000007.png").unlink(), "has 8 LQ pictures and 7 of pseudo-HQ"),
        (_of_another_size, "clip 'shapes-1' has 64x64 pixels, and 120x128 as pseudo-HQ, which should be twice"),
        (_cut_off, "00000003.png cannot be read"),
    ],
)
def test_pairs_that_do_not_fit_are_refused_before_training(
    spoil: Callable[[Path], object], said: str, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(copied)

    assert main(["lbo", "train", str(copied), "debug", *TINY]) == 1

    assert re.search(f"^error: .*{said}", capsys.readouterr().err, re.MULTILINE)
    assert not (copied / "lbo-l1").exists()


def test_a_crop_larger_than_the_pictures_is_refused(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lbo", "train", str(copied), "debug", "size=160"]) == 1

    assert "has 128x128 pixels, and size=160 is larger; set less" in capsys.readouterr().err


def test_training_learns_what_no_basic_operator_does(copied: Path) -> None:
    """From random weights to a few grey levels."""
    steps = (
        "steps=1000",
        "records.log=1000",
        "records.save=1000",
        "optimiser.rate=0.003",
        "operator.features=16",
        "average=0.5",
    )

    assert main(["lbo", "train", str(copied), "debug", "--stage", "lbo-l1", *TINY, *steps, "operator.features=16"]) == 0

    own_operator = read_operator(copied)
    state = checkpoints.read(checkpoints.all_of(folder.run(copied, "lbo-l1"))[-1])
    assert all(
        torch.equal(state["average"][name], tensor) for name, tensor in load_file(copied / folder.OPERATOR).items()
    )
    data = Pairs(copied, size=64, halves=False, seed=7)
    errors = []
    for index in range(0, 24, 4):
        sample = data[0, index]
        target = sample.target / 255
        errors.append(
            [(found - target).abs().mean().item() for found in (Degrader(own_operator)(sample.given), sample.given)]
        )
    own, none = np.mean(errors, 0)
    assert own < 0.25 * none
    with Image.open(copied / folder.PATCHES) as page:
        assert page.size[0] > 5 * 256 < page.size[1] + 1000


def test_both_stages_train_go_on_and_write_the_operator(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lbo", "train", str(copied), "debug", *TINY]) == 0

    states = [checkpoints.read(checkpoints.all_of(folder.run(copied, stage))[-1]) for stage in STAGES]
    assert [state["step"] for state in states] == [10, 10]
    assert "discriminator" not in states[0]
    assert "discriminator" in states[1]
    written = load_file(copied / folder.OPERATOR)
    assert all(torch.equal(states[1]["average"][name], tensor) for name, tensor in written.items())
    before = (copied / folder.OPERATOR).read_bytes()
    assert main(["lbo", "train", str(copied), "debug", *TINY]) == 0
    assert (copied / folder.OPERATOR).read_bytes() == before
    assert main(["lbo", "train", str(copied), "debug", *TINY, "batch=3"]) == 1
    assert "was trained with batch=2, now 3" in capsys.readouterr().err


def test_the_second_stage_begins_where_the_first_ended(copied: Path) -> None:
    main(["lbo", "train", str(copied), "debug", "--stage", "lbo-l1", *TINY])
    main(["lbo", "train", str(copied), "debug", "--stage", "lbo-gan", *TINY, "steps=1", "optimiser.rate=1e-30"])

    first, second = (checkpoints.read(checkpoints.all_of(folder.run(copied, stage))[-1]) for stage in STAGES)
    assert all(torch.equal(first["network"][name], second["network"][name]) for name in first["network"])


def test_a_start_of_another_shape_is_refused(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["lbo", "train", str(copied), "debug", "--stage", "lbo-l1", *TINY])

    assert main(["lbo", "train", str(copied), "debug", "--stage", "lbo-gan", *TINY, "operator.halves=true"]) == 1

    assert "set operator.features and operator.halves as they were for it" in capsys.readouterr().err


def test_asked_to_stop_it_writes_no_operator(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(settings: OperatorTraining, run: Path) -> None:
        train_operator(settings.model_copy(update={"steps": 5}), run)

    monkeypatch.setattr(learned, "train_operator", stopped)

    assert not learned.learn(copied, "debug", TINY)

    assert sorted(path.name for path in copied.iterdir()) == ["lbo-l1", "pairs"]
    monkeypatch.undo()
    assert learned.learn(copied, "debug", TINY)
    assert (copied / folder.OPERATOR).is_file()


def test_a_run_of_an_operator_upscales_nothing(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["lbo", "train", str(copied), "debug", "--stage", "lbo-l1", *TINY])
    run = str(folder.run(copied, "lbo-l1"))
    capsys.readouterr()

    assert main(["export", run, "--to", str(tmp_path / "x.safetensors")]) == 1
    assert "is of an operator (lbo train), which upscales nothing" in capsys.readouterr().err
    assert main(["evaluate", run, "--data", str(tmp_path)]) == 1
    assert "is of an operator" in capsys.readouterr().err


@pytest.mark.parametrize("halves", [False, True])
@pytest.mark.parametrize("features", [64, 8])
def test_the_degrader_is_the_operator_to_a_grey_level(halves: bool, features: int) -> None:
    torch.manual_seed(0)
    operator, clip = Operator(halves=halves, features=features).eval().requires_grad_(False), torch.rand(3, 3, 32, 40)

    found = Degrader(operator)(clip)

    expected = operator(clip)
    assert (found.dtype, found.shape) == (torch.float32, expected.shape)
    assert found.is_contiguous()
    assert (found - expected).abs().max() < 0.03 * expected.std()  # bfloat16 has 8 bits
    assert (found - expected).std() < 0.01 * expected.std()


@settings(max_examples=20, deadline=None)
@given(st.booleans(), st.integers(1, 20), st.integers(1, 3), st.integers(1, 9), st.integers(1, 25))
@example(halves=False, features=64, frames=3, height=16, width=20)  # no layer but the last is folded
@example(halves=True, features=8, frames=1, height=5, width=16)  # all of them are
@example(halves=True, features=1, frames=1, height=4, width=6)  # by less than a vector holds
def test_the_degrader_is_the_operator_at_any_size(
    halves: bool, features: int, frames: int, height: int, width: int
) -> None:
    torch.manual_seed(0)
    operator = Operator(halves=halves, features=features).eval().requires_grad_(False)
    for layer in (0, 2, 4):
        torch.nn.init.normal_(operator.main[layer].get_parameter("bias"))
    scale = 2 if halves else 1
    clip = torch.rand(frames, 3, scale * height, scale * width)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(degrader, "computes_bf16", lambda _: False)  # in fp32 it has to be exact
        found = Degrader(operator)(clip)

    assert torch.allclose(found, operator(clip), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("halves", [False, True])
def test_the_degrader_gives_the_same_bits_in_any_process_order_and_number_of_threads(halves: bool) -> None:
    torch.manual_seed(0)
    operator = Operator(halves=halves, features=16).eval().requires_grad_(False)
    first, second, small = torch.rand(5, 3, 48, 64), torch.rand(5, 3, 48, 64), torch.rand(2, 3, 16, 20)
    here = Degrader(operator)
    expected = [here(clip) for clip in (first, second, small)]
    kept = [each.clone() for each in expected]

    elsewhere = pickle.loads(pickle.dumps(here))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        again = [elsewhere(clip) for clip in (small, second, first)][::-1]
    finally:
        torch.set_num_threads(threads)

    assert all(torch.equal(*pair) for pair in zip(again, expected, strict=True))
    assert all(torch.equal(*pair) for pair in zip(kept, expected, strict=True))  # no clip is written over by the next


def saved(path: Path, *, halves: bool, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    path.mkdir(parents=True)
    save_operator(path / folder.OPERATOR, Operator(halves=halves, features=4))
    return path


def test_what_was_saved_is_read_also_as_the_release_wraps_it(tmp_path: Path) -> None:
    operator = read_operator(saved(tmp_path / "own", halves=True))
    bare, wrapped = tmp_path / "bare.pth", tmp_path / "wrapped.pth"
    torch.save(operator.state_dict(), bare)
    torch.save({"params": operator.state_dict()}, wrapped)

    names = {fingerprint(read_operator(path)) for path in (tmp_path / "own", bare, wrapped)}

    assert len(names) == 1
    assert fingerprint(read_operator(saved(tmp_path / "other", halves=True, seed=1))) not in names


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"main.0.weight": torch.zeros(64, 5, 3, 3)}, r"it has main\.0\.weight of shape \(64, 5, 3, 3\)"),
        ({"conv.weight": torch.zeros(1)}, r"it has no main\.0\.weight"),
        ({"main.0.weight": torch.zeros(4, 3, 3, 3)}, "is no operator .*main.0.bias"),
        ({**Operator(halves=True).state_dict(), "main.4.weight": torch.zeros(3, 9, 3, 3)}, "size mismatch for main.4"),
    ],
)
def test_files_that_are_no_operators_are_refused(weights: dict[str, torch.Tensor], said: str, tmp_path: Path) -> None:
    torch.save(weights, tmp_path / "x.pth")

    with pytest.raises(OperatorError, match=said):
        read_operator(tmp_path / "x.pth")


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
def test_damaged_and_missing_files_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=f"{name} cannot be read"):
        read_operator(tmp_path / name)
    (tmp_path / name).write_bytes(b"PK no operator")
    with pytest.raises(OperatorError, match=f"{name} is damaged, or no operator"):
        read_operator(tmp_path / name)
    with pytest.raises(OperatorError, match=r"operator\.safetensors cannot be read"):
        read_operator(tmp_path)


def test_a_pool_is_of_one_kind(tmp_path: Path) -> None:
    keeps, halves = (str(saved(tmp_path / str(kind), halves=kind)) for kind in (False, True))

    assert [operator.halves for operator in read_pool([halves, halves], "replace")] == [True, True]
    assert [operator.halves for operator in read_pool([keeps], "after_down")] == [False]
    with pytest.raises(OperatorError, match=r"True halves the size, .*lbo_mode=replace, and it is after_down"):
        read_pool([keeps, halves], "after_down")
    with pytest.raises(OperatorError, match=r"False keeps the size.* or train it with operator\.halves=true"):
        read_pool([halves, keeps], "replace")


def losses(run: Path) -> list[str]:
    with (run / FILE).open(newline="") as file:
        return [row["l1"] for row in csv.DictReader(file)]


def final(clips: Path, pool: list[Path], *assignments: str) -> Training:
    tiny = ("network.features=4", "discriminator.features=2", "discriminator.layers=[2,1]", "sampling.size=32")
    more = ("sampling.frames=3", "records.log=1", "records.show=0", "steps=2", f"data={clips}")
    named = f"lbo_pool=[{','.join(map(str, pool))}]"
    return changed(network_preset("vsr-final", "debug"), [*tiny, *more, named, *assignments])


def test_the_final_stage_degrades_by_the_pool(clips: Path, tmp_path: Path) -> None:
    pool = [saved(tmp_path / str(n), halves=False, seed=n) for n in range(2)]

    train(final(clips, pool), tmp_path / "run")

    train(final(clips, pool[:1]), tmp_path / "other")
    assert len(checkpoints.all_of(tmp_path / "run")) == 1
    train(final(clips, pool, "workers=1"), tmp_path / "workers")
    assert losses(tmp_path / "run") != losses(tmp_path / "other")
    assert losses(tmp_path / "run") == losses(tmp_path / "workers")
    assert network_preset("vsr-final", "paper").degradation == LEARNED["paper"]
    down = network_preset("vsr-final", "release").degradation.down
    assert (down.factors, down.lbo, down.lbo_mode) == ((2, 2), 0.5, "replace")
    shutil.rmtree(tmp_path / "1")
    saved(tmp_path / "1", halves=False, seed=9)
    with pytest.raises(CheckpointError, match="was trained with other operators than lbo_pool holds now"):
        train(final(clips, pool, "steps=3"), tmp_path / "run")


@pytest.mark.parametrize("halves", [False, True])
def test_samples_of_the_pool_come_out_of_its_operators(halves: bool, clips: Path) -> None:
    """One that makes everything red."""
    operator = Operator(halves=halves, features=4).requires_grad_(False)
    for parameter in operator.parameters():
        parameter.zero_()
    operator.state_dict()["main.4.bias"].copy_(torch.tensor([0.9, 0.1, 0.1]))
    how = {"down": {"lbo": 1, "lbo_mode": "replace" if halves else "after_down"}}
    degradation = Degradation.model_validate(how)

    data = DegradedClips(find_clips(clips), Sampling(frames=3, size=64), degradation, 0, [Degrader(operator)])
    red, green, blue = data[0, 5].given.mean((0, 2, 3)).tolist()

    assert red == pytest.approx(0.9, abs=0.03)
    assert green == pytest.approx(0.1, abs=0.03)
    assert blue == pytest.approx(0.1, abs=0.03)


def test_the_final_stage_wants_a_pool_and_a_pool_wants_to_be_used(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"lbo_pool is not set; .* lbo_pool=\[lbo1,lbo2,lbo3\]"):
        train(changed(final(clips, []), ["lbo_pool=[]"]), tmp_path / "run")
    with pytest.raises(SettingError, match=r"^lbo_pool is set, and degradation\.down\.lbo=0 never uses it"):
        changed(network_preset("vsr-l1", "paper"), ["lbo_pool=[a]"])
    with pytest.raises(OperatorError, match="nowhere cannot be read"):
        train(final(clips, [tmp_path / "nowhere"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_errors_are_the_trainer_s() -> None:
    assert issubclass(PairError, TrainerError)
    assert issubclass(OperatorError, TrainerError)
    assert OperatorTraining().stage == "lbo-l1"
