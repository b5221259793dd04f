import { vitePreprocess } from "@sveltejs/vite-plugin-svelte";

export default {
  preprocess: vitePreprocess(),
  compilerOptions: {
    // The release table becomes cards on phones; with `display` taken away only named roles keep it a table.
    warningFilter: (warning) => warning.code !== "a11y_no_redundant_roles",
  },
};
