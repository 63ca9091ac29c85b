// Grades one answer as MDN's HTTP Observatory would: its own tests and its own marks, over what was fetched already.
// Standard input: {"url", "status", "headers": {name: value}, "cookies": [Set-Cookie values], "body"}; output: JSON.
// Run in the folder the package is installed in: its modules are found from there.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const own = createRequire(process.cwd() + "/");
const root = pathToFileURL(process.cwd() + "/node_modules/@mdn/mdn-http-observatory/src/");
const part = (name) => import(new URL(name, root));
// The list of names that browsers ship as TLS-only is fetched by the package's install script; none of ours is on it.
const preloaded = new URL("../conf/hsts-preload.json", root);
if (!existsSync(preloaded)) writeFileSync(preloaded, "{}");
const { ALL_TESTS } = await part("constants.js");
const { getGradeForScore, getScoreModifier } = await part("grader/grader.js");
const { MINIMUM_SCORE_FOR_EXTRA_CREDIT } = await part("grader/charts.js");
const { parseHttpEquivHeaders } = await part("retriever/utils.js");
const { Requests } = await part("types.js");
const { CookieJar } = own("tough-cookie");
const { AxiosHeaders } = own("axios");

const page = JSON.parse(readFileSync(0, "utf-8"));
const url = new URL(page.url);
const jar = new CookieJar();
for (const cookie of page.cookies) jar.setCookieSync(cookie, url.href);
const answer = {
  status: page.status, headers: new AxiosHeaders(page.headers), data: page.body, verified: true, request: { protocol: "https:" },
  httpEquiv: parseHttpEquivHeaders(page.body, url.href),
};
const requests = new Requests(url.hostname);
Object.assign(requests.responses, {
  auto: answer, https: answer, http: null, cors: answer, httpRedirects: [], httpsRedirects: [{ url, status: page.status }],
});
requests.resources.path = page.body;
requests.session = { url, jar, redirectHistory: [{ url, status: page.status }], response: answer };

// As in the package's scanner: what is above 100 counts only for who is at an A without it.
let plain = 100;
let full = 100;
const tests = {};
for (const test of ALL_TESTS) {
  const { result, pass, constructor } = test(requests);
  const marks = result ? getScoreModifier(result) : 0;
  tests[constructor.name] = { result, pass, marks };
  full += marks;
  if (marks < 0) plain += marks;
}
console.log(JSON.stringify({ ...getGradeForScore(plain >= MINIMUM_SCORE_FOR_EXTRA_CREDIT ? full : plain), tests }));
