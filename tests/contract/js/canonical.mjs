// Canonical N-Quads as jsonld.js and rdf-canonize write them: {documents: {name: document}} gives {name: text}.
import jsonld from 'jsonld';
import {answer, loaderOf} from './loader.mjs';

await answer(async ({documents}) => {
  const documentLoader = loaderOf({});
  const result = {};
  for(const [name, document] of Object.entries(documents)) {
    try {
      result[name] = await jsonld.canonize(document, {
        algorithm: 'RDFC-1.0', format: 'application/n-quads', safe: true, base: null, documentLoader
      });
    } catch(error) {
      result[name] = {error: error.message, code: error.details?.event?.code ?? null};
    }
  }
  return result;
});
