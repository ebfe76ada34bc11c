"use strict";

// Its search would need a script made on the fly, which the page does not allow.
Redoc.init("openapi.json", { disableSearch: true }, document.getElementById("description"));
