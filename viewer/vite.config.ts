import { readFileSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { defineConfig, type Plugin } from 'vite'

/** Which chunk only the slide page has. */
const SLIDE_CHUNK = 'slide-page'

/** Write slide.html: index.html that names the slide page's own scripts too, so that all come at once. */
function slidePage(): Plugin {
  return {
    name: 'slide-html',
    enforce: 'post',
    generateBundle(_options, bundle) {
      const index = bundle['index.html']
      const chunk = Object.values(bundle).find((part) => part.type === 'chunk' && part.name === SLIDE_CHUNK)
      if (index?.type !== 'asset' || chunk?.type !== 'chunk') throw new Error('There is no slide page to preload.')
      const html = String(index.source)
      const styles = [...(chunk.viteMetadata?.importedCss ?? [])]
      const links = [
        ...[chunk.fileName, ...chunk.imports.filter((name) => !html.includes(name))].map(
          (name) => `<link rel="modulepreload" crossorigin href="/assets/${name}">`,
        ),
        ...styles.map((name) => `<link rel="stylesheet" crossorigin href="/assets/${name}">`),
      ]
      const source = html.replace('</head>', `  ${links.join('\n    ')}\n  </head>`)
      this.emitFile({ type: 'asset', fileName: 'slide.html', source })
    },
  }
}

/** Put a gzipped twin beside every script and style as it was written; the server gives it to whoever takes it. */
function twins(): Plugin {
  return {
    name: 'gzipped-twins',
    writeBundle({ dir }, bundle) {
      for (const name of Object.keys(bundle)) {
        const path = `${dir}/${name}`
        if (/\.(js|css)$/.test(name)) writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }))
      }
    },
  }
}

// Every emitted script and style lies under /assets/: the server gives the folder `dist` there.
export default defineConfig({
  base: '/assets/',
  plugins: [slidePage(), twins()],
  build: {
    target: 'es2022',
    assetsDir: '',
    modulePreload: { polyfill: false },
    rolldownOptions: { input: ['index.html', 'sign-in.html', 'docs.html'] },
    // The reader of the API description is large; only /api/docs loads it.
    chunkSizeWarningLimit: 2000,
  },
})
