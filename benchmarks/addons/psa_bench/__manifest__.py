{
    "name": "PSA Hub benchmark: the hub",
    "version": "19.0.1.0.0",
    "category": "Hidden",
    "summary": "A vendor in memory and two bare routes, for ./dev bench only",
    "author": "PSA Hub contributors",
    "website": "https://github.com/psa-hub/psa_hub",
    "license": "LGPL-3",
    "depends": ["psa_hub"],
    "data": ["security/ir.model.access.csv"],
}
