import { svelte } from "@sveltejs/vite-plugin-svelte";
import { svelteTesting } from "@testing-library/svelte/vite";
import { defineConfig } from "vitest/config";

// The gateway that `npm run dev` talks to.
const gateway = process.env["MATINEE_PUBLIC_URL"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [svelte(), svelteTesting()],
  build: {
    // The page's Content-Security-Policy allows no data: fonts and no inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    // hls.js is one chunk of 580 kB (180 kB on the wire), loaded when a film needs it.
    chunkSizeWarningLimit: 600,
  },
  server: {
    proxy: { "/api": gateway, "/auth": gateway, "/v1": gateway, "/docs": gateway },
  },
  test: {
    environment: "jsdom",
    include: ["tests/**/*.test.ts"],
    testTimeout: 5000,
  },
});
