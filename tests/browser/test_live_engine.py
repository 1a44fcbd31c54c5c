"""The worker of the explain page computes what the program computes, in Chromium."""

import copy
import json
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt.config import TokenizerSettings
from nmt.decoding.models.pytorch import make_decoder
from nmt.decoding.search.beam import BeamSearch
from nmt.decoding.search.prefix import NO_PREFIX, TargetPrefix
from nmt.decoding.search.rules import make_constraints, special_ids
from nmt.decoding.search.search import SearchModel, search
from nmt.decoding.translator.segments import output_limit
from nmt.kernels.eight_bits import quantise
from nmt.model.encoder_decoder import EncoderDecoder
from nmt.model.layers import AddAndNorm
from nmt.model.transformer import Transformer
from nmt.runs.trained_model import TrainedModel, load_model
from nmt.studio.explain.explanation import explain, next_tokens, replay
from nmt.studio.explain.live import live_data, subword_data, why_not_live
from nmt.studio.explain.page import page_data
from nmt.studio.pages.page import FOLDER, bundle
from nmt.text.batches import source_batch
from nmt.text.subwords.learning import learn_subwords
from nmt.text.subwords.tokenizer import EOS, PAD, SubwordModel, Tokenizer
from tests.browser.conftest import SENTENCE, Browser
from tests.conftest import WORDS
from tests.interop.models import two_languages
from tests.studio.test_explain import unpack

PARTS = FOLDER / "explain"
CLOSE = 2e-3  # of logits whose weights have 16 bits
POLICY = "default-src 'none'; script-src 'unsafe-inline'; worker-src blob:"
# It sends messages to the worker and waits for a number of answers. It returns them as JSON, in
# which typed arrays are lists.
MAIN = """import {{ Subwords }} from "{parts}/live/subwords.js";
import {{ unpackAll }} from "{parts}/unpack.js";
const text = document.getElementById("worker").textContent;
const worker = new Worker(URL.createObjectURL(new Blob([text])));
globalThis.ask = (messages, count, withTensors, done) => {{
  const listed = (array) => withTensors ? [...array] : undefined;
  const plain = (_, value) => ArrayBuffer.isView(value) ? listed(value) : value;
  const replies = [];
  worker.onmessage = ({{ data }}) => {{
    if (data.kind !== "progress") replies.push(data);
    if (replies.length === count) done(JSON.stringify(replies, plain));
  }};
  for (const message of messages) worker.postMessage(unpackAll(message));
  if (count === 0) done("[]");
}};
globalThis.encode = (packed, texts) => {{
  const subwords = new Subwords(packed);
  return texts.map((text) => subwords.encode(text));
}};
"""
HOSTILE = [
    "  sun   moon\t star\n",
    "ＳＵＮ ﬁre ① ½ ²  ™ K Å",
    "e\u0301 n\u0303o\u0308 a\u030a\u0323 \u0344",
    "שלום עולם \u202ea\u202c مرحبا",
    "👩‍👩‍👧 🇩🇪 ☃️ \U0001f600",
    "\u00a0\u3000\u2003sun\u200bmoon\u200d\ufeff\u00ad",
    "a\u0001b\u007fc\u0085d\u2028e\u0000",
    "▁sun▁▁ moon ▁",
    "<s> </s> <unk> <pad> <0x41> <b>&amp;",
    "ㄱㅏ 가 \u1100\u1161 カﾞ ㌔ 中文",
    "\u0131\u0130\u1e9eß ǅ ﷺ \u0e33",
    "s" * 300,
    "¨sun ´ ˜moon",
    "\u3000 \u2028",
    "�� � \U0010ffff",
]


class Engine:
    """The worker of a page that has nothing else."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        (folder / "main.js").write_text(MAIN.format(parts=os.path.relpath(PARTS, folder)))
        page = folder / "engine.html"
        page.write_text(
            "<!doctype html><meta charset=utf-8>"
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            f'<script type="text/plain" id="worker">{bundle(PARTS / "live" / "worker.js")}</script>'
            f"<script>{bundle(folder / 'main.js')}</script>",
            encoding="utf-8",
        )
        browser.open(page)
        self.driver = browser.driver

    def ask(
        self, *messages: dict[str, Any], count: int = 1, tensors: bool = False
    ) -> list[dict[str, Any]]:
        """Send messages, and return the first replies that are not about progress.

        tensors: return the numbers of tensors, too.
        """
        found: list[dict[str, Any]] = json.loads(
            self.driver.execute_async_script("ask(...arguments)", messages, count, tensors)
        )
        return found

    def load(self, model: TrainedModel) -> None:
        """Give a model to the worker."""
        assert why_not_live(model, model.recipe.decode) == ""
        self.ask({"kind": "load", "live": live_data(model, model.recipe.decode)}, count=0)

    def translate(self, text: str, *, tensors: bool = False, **options: Any) -> dict[str, Any]:
        """Return the data of a translation; tensors: as of `ask`."""
        message = {"kind": "translate", "id": 1, "text": text, "options": options}
        (reply,) = self.ask(message, tensors=tensors)
        data: dict[str, Any] = reply["data"]
        return data


@pytest.fixture
def engine(browser: Browser, tmp_path: Path) -> Engine:
    """Return the worker, without a model."""
    return Engine(browser, tmp_path)


def random_model(
    like: TrainedModel, tokenizer: Tokenizer | None = None, **settings: Any
) -> TrainedModel:
    """Return a model with random weights and other settings of [model]."""
    shape = replace(like.recipe.model, **settings)
    tokenizer = tokenizer or like.tokenizer
    torch.manual_seed(3)
    network = Transformer(shape, len(tokenizer), PAD).eval()
    with torch.no_grad():
        for weight in network.parameters():  # biases and norms, too
            weight.add_(0.1 * torch.randn_like(weight))
    return TrainedModel.from_network(network, tokenizer, replace(like.recipe, model=shape))


def learn(**settings: Any) -> SubwordModel:
    """Learn a subword model from a little text."""
    words = [*WORDS, "fire", "SUN", "K", "m", "1/2", "\uac00", "e\u0301", "TM", "kg"]
    lines = [" ".join(random.Random(n).choices(words, k=6)) for n in range(200)]
    return learn_subwords(lines, TokenizerSettings(**settings))


def find(
    model: TrainedModel,
    text: str,
    prefix: TargetPrefix = NO_PREFIX,
    decoder: SearchModel[Any] | None = None,
) -> list[int]:
    """Return the program's output for a text, EOS the last."""
    settings, special = model.recipe.decode, special_ids(model.tokenizer)
    (ids,) = model.tokenizer.source.encode([text])
    limits = [output_limit(len(ids), settings)]
    strategy = BeamSearch(settings.beam_size, settings.length_penalty, stopping=settings.stopping)
    constraints = make_constraints([prefix], limits, settings, EOS)
    network: SearchModel[Any] = decoder or make_decoder(model.network)
    source = source_batch([ids])
    ((best,),) = search(network, source, limits, special, strategy, constraints=constraints)
    return [*best.ids, EOS]


def compute_logits(model: TrainedModel, data: dict[str, Any]) -> list[dict[int, float]]:
    """Return the logits of the tokens that the page shows, by a pass of the program's network."""
    source = torch.tensor([data["source"]["ids"]])
    offset = 0 if model.tokenizer.is_joint else len(model.tokenizer)
    outputs = [token - offset for token in data["target"]["outputs"]]
    assert isinstance(model.network, Transformer)
    _, logits = replay(model.network, source, outputs[:-1])
    steps = next_tokens(logits, outputs, special_ids(model.tokenizer).never)
    return [dict(zip(step.ids, step.logits, strict=True)) for step in steps]


def shown_logits(steps: dict[str, Any]) -> list[dict[int, float]]:
    """Return the logits of the tokens that the page shows."""
    return [dict(zip(step["tokens"], step["logits"], strict=True)) for step in steps["steps"]]


def assert_close(found: Any, expected: Any, where: str = "page") -> None:
    """Assert that the worker's data are those of `page_data`, up to rounding."""
    if isinstance(expected, dict) and "scales" in expected:
        numbers = torch.tensor(found["numbers"], dtype=torch.float32).view(found["shape"])
        wanted: Tensor = unpack(expected)
        assert numbers.shape == wanted.shape, where
        assert torch.allclose(numbers, wanted, atol=CLOSE, rtol=0), where
    elif isinstance(expected, dict):
        assert expected.keys() <= found.keys(), where
        for key, value in expected.items():
            assert_close(found[key], value, f"{where}.{key}")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), where
        for index, pair in enumerate(zip(found, expected, strict=True)):
            assert_close(*pair, f"{where}.{index}")
    elif isinstance(expected, float):
        # The sum at a temperature of 0.1 is of logits divided by it.
        assert found == pytest.approx(expected, abs=10 * CLOSE if "sums" in where else CLOSE), where
    else:
        assert found == expected, where


@pytest.mark.parametrize("in_8_bits", [False, True])
def test_sentences_have_the_programs_subwords_logits_and_outputs(
    engine: Engine, skilled_run: Path, in_8_bits: bool
) -> None:
    model = load_model(skilled_run, "cpu")
    if in_8_bits:  # the page has another form of them
        for weight in model.network.parameters():
            if weight.dim() == 2:
                weight.data = torch.from_numpy(quantise(weight.detach().numpy()).matrix)
    engine.load(model)
    decoder = make_decoder(model.network)
    draw = random.Random(2)
    for _ in range(40):
        text = " ".join(draw.choices([*WORDS, "sunny", "Moon", "x"], k=draw.randint(1, 6)))
        data = engine.translate(text)
        (ids,) = model.tokenizer.source.encode([text])
        assert data["source"]["ids"] == [*ids, EOS]
        assert data["target"]["outputs"] == find(model, text, decoder=decoder)
        logits = zip(shown_logits(data["next_tokens"]), compute_logits(model, data), strict=True)
        for found, expected in logits:
            both = found.keys() & expected.keys()
            assert len(both) >= len(expected) - 1  # the last one shown may be another of a near tie
            assert [*map(found.get, both)] == pytest.approx([*map(expected.get, both)], abs=CLOSE)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"kind": "char", "vocab_size": 30},
        {"kind": "word", "vocab_size": 30},
        {"vocab_size": 320, "byte_fallback": True},
    ],
    ids=["bpe", "char", "word", "bytes"],
)
def test_any_text_has_the_programs_subwords(engine: Engine, settings: dict[str, Any]) -> None:
    subwords = learn(**{"vocab_size": 60, **settings})
    texts = [*HOSTILE, *map(chr, range(1, 0x250)), SENTENCE]
    found = engine.driver.execute_script(
        "return encode(...arguments)", subword_data(subwords), texts
    )
    for text, ids in zip(texts, found, strict=True):
        assert ids == subwords.encode([text])[0], ascii(text)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"norm": "pre", "norm_kind": "rms", "positions": "rotary", "activation": "swiglu"},
        {
            "positions": "learned",
            "max_positions": 64,
            "activation": "gelu",
            "attention_bias": True,
            "softmax_bias": True,
            "tied": "none",
            "d_v": 12,
            "encoder_layers": 2,
            "target_order": "right_to_left",
        },
        {"norm": "pre", "positions": "sinusoidal_halves", "activation": "geglu", "tied": "target"},
    ],
    ids=["paper", "modern", "learned", "halves"],
)
def test_the_worker_fills_the_page_as_the_program_does(
    engine: Engine, skilled_run: Path, settings: dict[str, Any]
) -> None:
    two = Tokenizer.from_two(learn(vocab_size=60), learn(vocab_size=320, byte_fallback=True))
    tokenizer = two if settings.get("tied") == "none" else None
    model = random_model(load_model(skilled_run, "cpu"), tokenizer, **settings)
    engine.load(model)
    expected = page_data(explain(model, SENTENCE, model.recipe.decode))
    del expected["model"]
    data = engine.translate(SENTENCE, tensors=True)
    assert_close(data, json.loads(json.dumps(expected)))


def test_an_output_goes_on_from_a_forced_beginning(engine: Engine, skilled_run: Path) -> None:
    model = load_model(skilled_run, "cpu")
    engine.load(model)
    best = find(model, SENTENCE)
    other = next(token for token in range(EOS + 1, 40) if token != best[1])
    for prefix in ([best[0], other], [*best[:2], EOS], [other] * 30):
        found = engine.translate(SENTENCE, prefix=prefix)
        assert found["forced"] == prefix
        assert found["target"]["outputs"][: len(prefix)] == prefix
    prefix = [best[0], other]
    found = engine.translate(SENTENCE, prefix=prefix)
    wanted = find(model, SENTENCE, TargetPrefix.of_tokens((*prefix,)))
    assert found["target"]["outputs"] == wanted


def test_parts_of_the_model_are_switched_off(engine: Engine, skilled_run: Path) -> None:
    model = load_model(skilled_run, "cpu")
    engine.load(model)
    plain = engine.translate(SENTENCE)
    width = model.recipe.model.d_v

    def check(off: dict[str, Any], network: EncoderDecoder) -> None:
        changed = TrainedModel.from_network(network, model.tokenizer, model.recipe)
        ids = plain["target"]["outputs"]
        data = engine.translate(SENTENCE, off=off, against=ids)
        assert data["target"]["outputs"] == find(changed, SENTENCE)
        expected = compute_logits(changed, plain)
        for found, wanted in zip(shown_logits(data["against"]), expected, strict=True):
            assert found == pytest.approx(wanted, abs=CLOSE)

    network = copy.deepcopy(model.network)
    with torch.no_grad():
        for name, head in (("encoder.0.self_attention", 1), ("decoder.0.cross_attention", 0)):
            weight = network.get_parameter(f"{name}.out.weight")
            weight[:, head * width : (head + 1) * width] = 0
    check({"heads": ["encoder.0.self_attention.1", "decoder.0.cross_attention.0"]}, network)

    network = copy.deepcopy(model.network)
    network.embeddings.source_positions = network.embeddings.target_positions = None
    check({"positions": True}, network)

    network = copy.deepcopy(model.network)
    name = "decoder.0.self_attention"
    network.get_submodule(f"{name}_norm").__class__ = Without
    check({"residuals": [name]}, network)


class Without(AddAndNorm):
    """A sub-layer without its residual connection."""

    def forward(self, x: Tensor, sublayer: Any) -> Tensor:
        """Return Norm(Sublayer(x)); the model has post-norm."""
        total: Tensor = self.norm(sublayer(x))
        return total


def test_samples_depend_on_their_seed_temperature_and_top_k(
    engine: Engine, skilled_run: Path
) -> None:
    engine.load(load_model(skilled_run, "cpu"))

    def sample(**options: Any) -> list[int]:
        usual = {"method": "sample", "temperature": 3, "topK": 0, "seed": 1}
        found: list[int] = engine.translate(SENTENCE, **{**usual, **options})["target"]["outputs"]
        return found

    greedy = engine.translate(SENTENCE, beam=1)["target"]["outputs"]
    assert sample() == sample()
    assert len({(*sample(seed=seed),) for seed in range(5)}) > 1
    assert sample(temperature=0.01) == sample(topK=1) == greedy


def test_a_new_text_ends_the_old_search_and_odd_texts_are_refused(
    engine: Engine, skilled_run: Path
) -> None:
    engine.load(load_model(skilled_run, "cpu"))
    texts = [SENTENCE, "sun", " \n ", "sun " * 500]
    every = [
        {"kind": "translate", "id": number, "text": text, "options": {}}
        for number, text in enumerate(texts)
    ]
    (result,) = engine.ask(*every[:2])
    assert (result["kind"], result["id"]) == ("result", 1)
    (blank,) = engine.ask(every[2])
    assert blank["message"] == "There is nothing to translate yet."
    (long,) = engine.ask(every[3])
    assert long["message"].startswith("The sentence has ")


def test_the_reader_chooses_the_language(engine: Engine) -> None:
    model = two_languages()
    decode = replace(model.recipe.decode, target_language="de", beam_size=1)
    model = replace(model, recipe=replace(model.recipe, decode=decode))
    engine.load(model)
    for language in ("", "de", "en"):
        wanted = replace(decode, target_language=language or "de")
        expected = page_data(explain(model, "sun moon", wanted))
        options: dict[str, Any] = {"to": f">>{language}<<"} if language else {}
        found = engine.translate("sun moon", **options)
        assert found["source"]["ids"] == [*expected["source"]["ids"]]
        assert found["target"]["text"] == expected["target"]["text"]
