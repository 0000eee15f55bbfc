import { defineConfig } from 'vite'

// Every emitted script and style lies under /assets/: the server gives the folder `dist` there.
export default defineConfig({
  base: '/assets/',
  build: {
    target: 'es2022',
    assetsDir: '',
    modulePreload: { polyfill: false },
    rolldownOptions: { input: ['index.html', 'sign-in.html', 'docs.html'] },
    // The reader of the API description is large; only /api/docs loads it.
    chunkSizeWarningLimit: 2000,
  },
})
