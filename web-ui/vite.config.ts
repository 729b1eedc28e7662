import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// The server that `npm run dev` passes API requests on to.
const backend = process.env['MARATHON_URL'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  base: '/ui/',
  plugins: [svelte()],
  server: { proxy: { '/v2': backend, '/openapi.json': backend } },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    // The built page is committed: names without hashes keep its changes readable, and ETags keep caches right.
    rolldownOptions: {
      output: {
        entryFileNames: 'assets/[name].js',
        chunkFileNames: 'assets/[name].js',
        assetFileNames: 'assets/[name][extname]',
      },
    },
  },
  resolve: { conditions: process.env['VITEST'] ? ['browser'] : undefined },
  test: { environment: 'happy-dom', include: ['src/**/*.test.ts'], restoreMocks: true },
});
