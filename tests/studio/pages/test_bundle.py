"""A bundle is one script that keeps the order and the scopes of its modules."""

from pathlib import Path

import pytest

from nmt.studio.pages.bundle import bundle


def write(folder: Path, **files: str) -> Path:
    """Write modules by name; return the path of `main`."""
    for name, text in files.items():
        (folder / f"{name}.js").write_text(text)
    return folder / "main.js"


def test_each_module_occurs_once_after_its_imports(tmp_path: Path) -> None:
    entry = write(
        tmp_path,
        main='import { a } from "./a.js";\nimport {\n  b,\n} from "./b.js";\n\na(b);\n',
        a='import { b } from "./b.js";\nexport function a() {}\nconst own = b;\n',
        b="export const b = 1;\nconst own = 2;\n",
    )
    assert bundle(entry) == (
        '(() => {\n"use strict";\n'
        "const module0 = (() => {\nconst b = 1;\nconst own = 2;\nreturn { b };\n})();\n"
        "const module1 = (() => {\nconst { b } = module0;\nfunction a() {}\nconst own = b;\n"
        "return { a };\n})();\n"
        "const module2 = (() => {\nconst { a } = module1;\nconst {\n  b,\n} = module0;\n\na(b);\n"
        "return {  };\n})();\n"
        "})();\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        'import a from "./a.js";\n',
        'import * as a from "./a.js";\n',
        'import { a } from "https://example.org/a.js";\n',
        'import "./a.js";\n',
        "export default function () {}\n",
        "const a = 1;\nexport { a };\n",
        "export let a = 1;\n",
    ],
)
def test_other_imports_and_exports_are_refused(tmp_path: Path, text: str) -> None:
    entry = write(tmp_path, main=text, a="export const a = 1;\n")
    with pytest.raises(ValueError, match=r"main\.js: cannot join '(im|ex)port"):
        bundle(entry)


def test_a_circular_import_is_refused(tmp_path: Path) -> None:
    entry = write(
        tmp_path,
        main='import { a } from "./a.js";\nexport const b = a;\n',
        a='import { b } from "./main.js";\nexport const a = b;\n',
    )
    with pytest.raises(ValueError, match=r"main\.js imports itself in a circle"):
        bundle(entry)
