// The page at /schema: Plaza's own OpenAPI document, nothing from another host.
SwaggerUIBundle({ url: "/schema/openapi.json", dom_id: "#api", deepLinking: true, validatorUrl: null });
