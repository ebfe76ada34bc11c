"use strict";

// Requests are signed, which a form cannot do; so none can be tried, and no other host is asked whether this is valid.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#description",
  deepLinking: true,
  docExpansion: "none",
  supportedSubmitMethods: [],
  validatorUrl: null,
});
