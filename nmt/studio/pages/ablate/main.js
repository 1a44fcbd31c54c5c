/** The page of `nmt ablate`: read its data and draw its sections. */

import { byId, el } from "../dom.js";
import { foldAll, followSections } from "../flow.js";
import { followPointer } from "../reading.js";
import { showRecipe } from "../report/recipe.js";
import { showCurves } from "./curves.js";
import { showRuns } from "./runs.js";
import { explain, showVariants } from "./variants.js";

const data = JSON.parse(byId("data").textContent);

byId("command").append(el("code", {}, data.command));
byId("explanation").textContent = explain(data);
byId("made").textContent = `Created by nmt ${data.nmt}. Curves are drawn by uPlot (MIT).`;
showVariants(byId("variants-view"), data);
showCurves(byId("curves-view"), data);
showRuns(byId("runs-view"), data);
showRecipe(byId("recipes-view"), data.recipes);
followPointer();
followSections();
foldAll(byId("fold-all"));
