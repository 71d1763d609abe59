/**
 * Builds the scripts of the pages into dist/, with names that hold a digest of their content, and a manifest: of each
 * script its own file first, then those that it imports.
 *
 * The image loader of Cornerstone3D names its worker and its codecs by `new URL(…, import.meta.url)`, which
 * esbuild leaves alone. The plugin turns a codec into a file beside the scripts and the worker into a bundle.
 */
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { build } from "esbuild";

const LATER = { volumes: "src/viewer/volumes.ts" }; // fetched by a script when it is needed
const PAGES = ["worklist", "exam", "operator", "radiographs"];
const ADDRESS = "/assets/";
const NAMED = /new URL\((['"])([^'"]+)\1,\s*import\.meta\.url\)/g;

const shared = {
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  metafile: true,
  outdir: "dist",
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  publicPath: ADDRESS,
  loader: { ".wasm": "file" },
  alias: { fs: "./src/nothing.ts", path: "./src/nothing.ts", crypto: "./src/nothing.ts" },
  legalComments: "linked",
  logLevel: "warning",
};

function filesBesideTheScripts(workerFile) {
  return {
    name: "files-beside-the-scripts",
    setup(context) {
      context.onLoad({ filter: /dicom-image-loader[\\/].*\.js$/ }, async ({ path }) => {
        const source = await readFile(path, "utf8");
        const imports = [];
        const contents = source.replace(NAMED, (_whole, _quote, named) => {
          if (named.endsWith("Worker.js")) return JSON.stringify(ADDRESS + workerFile);
          imports.push(`import file${imports.length} from ${JSON.stringify(named)};`);
          return `new URL(file${imports.length - 1}, self.location.origin)`;
        });
        return { contents: imports.join("\n") + contents, loader: "js", resolveDir: dirname(path) };
      });
    },
  };
}

function outputOf(result, entry) {
  const [file] = Object.entries(result.metafile.outputs).find(([, made]) => made.entryPoint?.endsWith(entry));
  return basename(file);
}

/** An entry's own file, then all that it imports from the start. */
function filesOf(result, entry) {
  const files = [outputOf(result, entry)];
  for (const file of files) {
    for (const { path, kind } of result.metafile.outputs[`dist/${file}`].imports) {
      if (kind === "import-statement" && !files.includes(basename(path))) files.push(basename(path));
    }
  }
  return files;
}

/** Beside every large file the same in the encodings that browsers accept, so that the server need not compress. */
async function compress(folder) {
  const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };
  for (const name of await readdir(folder)) {
    if (![".js", ".wasm"].includes(extname(name))) continue;
    const file = join(folder, name);
    const content = await readFile(file);
    await writeFile(`${file}.br`, await promisify(brotliCompress)(content, brotli));
    await writeFile(`${file}.gz`, await promisify(gzip)(content));
  }
}

await rm("dist", { recursive: true, force: true });
await mkdir("dist");
const worker = await build({
  ...shared,
  entryPoints: ["node_modules/@cornerstonejs/dicom-image-loader/dist/esm/decodeImageFrameWorker.js"],
  plugins: [filesBesideTheScripts("")],
});
const pages = await build({
  ...shared,
  splitting: true,
  entryPoints: PAGES.map((name) => `src/${name}.ts`),
  plugins: [filesBesideTheScripts(outputOf(worker, "decodeImageFrameWorker.js"))],
});
const entries = { ...Object.fromEntries(PAGES.map((name) => [name, `src/${name}.ts`])), ...LATER };
const manifest = Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, filesOf(pages, entry)]));
await writeFile(join("dist", "manifest.json"), JSON.stringify(manifest, null, 2));
await compress("dist");
