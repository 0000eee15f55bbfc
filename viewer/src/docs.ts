/** Entry of `/api/docs`: the API's own description, made readable. */
import SwaggerUi from 'swagger-ui-dist/swagger-ui-es-bundle.js'
import 'swagger-ui-dist/swagger-ui.css'
import './style/docs.css'

SwaggerUi({
  dom_id: '#app',
  url: '/api/openapi.json',
  deepLinking: true,
  validatorUrl: null,
  // Requests go out with the session cookie of the page.
  withCredentials: true,
})
