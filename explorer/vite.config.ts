import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  // The protocol's hash is ready before anything else: modules wait for each other.
  build: { target: "es2022", outDir: "dist", emptyOutDir: true },
  server: { proxy: { "/v1": process.env["OPERATOR_URL"] ?? "http://127.0.0.1:3001" } },
});
