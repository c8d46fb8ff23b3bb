// An API of your own that asks Latchkey about each request, with Express. docs/apis.md says how to run it.

import express from "express";
import { latchkey } from "./latchkey.js";

const app = express();
// How many proxies of yours stand in front of this API. Without one, X-Forwarded-For is the client's own claim.
app.set("trust proxy", Number(process.env.TRUSTED_PROXIES ?? 0));
const needs = latchkey(process.env.LATCHKEY_URL, Number(process.env.LATCHKEY_SECONDS ?? 10));
const whose = (req, res) => res.json(req.latchkey);

app.get("/whose", needs(), whose); // Express answers HEAD here, too.
app.post("/whose", needs(), express.json(), whose);
app.post("/copies", needs({ scope: "files:read files:write", cost: 5 }), whose);
app.get("/limits", needs({ cost: 0 }), whose);

app.listen(Number(process.env.PORT ?? 9000), "127.0.0.1");
