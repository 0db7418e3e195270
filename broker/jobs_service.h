/* The part of the service Admin that is about jobs. */
#pragma once

#include <ganger/v1/admin.pb-c.h>

void start_job(Ganger__V1__Admin_Service *service, const Ganger__V1__StartJobRequest *request,
               Ganger__V1__StartJobResponse_Closure closure, void *closure_data);
void preview_job(Ganger__V1__Admin_Service *service, const Ganger__V1__PreviewJobRequest *request,
                 Ganger__V1__PreviewJobResponse_Closure closure, void *closure_data);
void list_jobs(Ganger__V1__Admin_Service *service, const Ganger__V1__ListJobsRequest *request,
               Ganger__V1__ListJobsResponse_Closure closure, void *closure_data);
void cancel_job(Ganger__V1__Admin_Service *service, const Ganger__V1__CancelJobRequest *request,
                Ganger__V1__CancelJobResponse_Closure closure, void *closure_data);
