/** The page of `nmt ablate`: read its data and draw its sections. */

import { byId } from "../dom.js";
import { startPage } from "../flow.js";
import { showRecipe } from "../recipe.js";
import { showCurves } from "./curves.js";
import { showRuns } from "./runs.js";
import { showVariants } from "./variants.js";

const data = startPage();

showVariants(byId("variants-view"), data);
showCurves(byId("curves-view"), data);
showRuns(byId("runs-view"), data);
showRecipe(byId("recipes-view"), data.recipes);
