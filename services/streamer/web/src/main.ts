import { mount } from "svelte";
import App from "./App.svelte";
import { openHouse } from "./lib/house";
import { applyTheme, chosenTheme } from "./lib/theme";
import "./styles/tokens.css";
import "./styles/base.css";

applyTheme(chosenTheme());
const target = document.getElementById("app");
if (target) mount(App, { target, props: { house: openHouse() } });
