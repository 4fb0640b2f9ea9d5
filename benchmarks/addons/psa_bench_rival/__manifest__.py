{
    "name": "PSA Hub benchmark: the rival",
    "version": "19.0.1.0.0",
    "category": "Hidden",
    "summary": "The usual connector pattern on OCA queue_job, for ./dev bench only",
    "author": "PSA Hub contributors",
    "website": "https://github.com/psa-hub/psa_hub",
    "license": "LGPL-3",
    "depends": ["queue_job", "sale_timesheet"],
    "data": ["security/ir.model.access.csv"],
}
